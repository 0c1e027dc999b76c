"""The knowledge stage: what similar training patients teach about a condition."""
