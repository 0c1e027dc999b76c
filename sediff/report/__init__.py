"""One page that says what was made, how good it is, and where it came from."""
