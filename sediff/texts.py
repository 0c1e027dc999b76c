"""Texts that people write, as they are kept and repeated."""


def one_line(text: str) -> str:
    """A text without line breaks and other characters that are not printed; YAML's blocks have them."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
