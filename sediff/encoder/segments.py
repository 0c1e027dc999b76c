"""The segments of a text: its sentences, lines and clauses."""

import re

MAX_SEGMENTS = 6
ENDS = re.compile(r"[.;,!?]+(?=\s|$)|\n")


def segments(text: str) -> list[str]:
    """The segments in order, at most 6: the last one holds the rest; none for an empty text."""
    parts = [part.strip() for part in ENDS.split(text)]
    parts = [part for part in parts if part]
    first, rest = parts[: MAX_SEGMENTS - 1], parts[MAX_SEGMENTS - 1 :]
    return [*first, ", ".join(rest)] if rest else first
