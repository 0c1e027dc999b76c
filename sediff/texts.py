"""Texts that people write, as they are kept and repeated."""

STOPS = " .,;:"


def one_line(text: str) -> str:
    """A text without line breaks and other characters that are not printed; YAML's blocks have them."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def with_details(text: str, *details: str) -> str:
    """A text and what more is said beside it, between commas, before which no stop of the text's own is left."""
    beside = [detail for detail in details if detail]
    return ", ".join(filter(None, [text.rstrip(STOPS) if beside else text, *beside]))
