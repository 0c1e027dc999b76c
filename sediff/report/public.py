"""Metrics as a page shows them that others may see: no counts of few patients, no words of theirs."""

from typing import Any

SMALLEST_CELL = 10
HIDDEN = f"fewer than {SMALLEST_CELL}"
WITHHELD = "not shown"
OWN_WORDS = "unmapped"  # what sources say that nobody understood: it may be anything, a name too


def public(value: Any) -> Any:
    """Metrics, or a part of them, with small counts hidden wherever they stand.

    Where one count of a table is hidden, so is the smallest other one, or the table's sum would tell the first.
    """
    if isinstance(value, dict):
        return _table({key: public(cell) for key, cell in value.items() if key != OWN_WORDS})
    return [public(cell) for cell in value] if isinstance(value, list) else public_count(value)


def public_count(value: Any) -> Any:
    """A count that is small in words, anything else as it is."""
    return HIDDEN if type(value) is int and 0 < value < SMALLEST_CELL else value


def _table(cells: dict[str, Any]) -> dict[str, Any]:
    counts = {key: cell for key, cell in cells.items() if type(cell) is int and cell > 0}
    hidden = [key for key, cell in cells.items() if cell == HIDDEN]
    others = [key for key in cells if key not in hidden and type(cells[key]) is not int]
    if len(hidden) == 1 and counts and not others:
        return {**cells, min(counts, key=counts.__getitem__): WITHHELD}
    return cells
