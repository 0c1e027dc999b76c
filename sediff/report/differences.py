"""The report's tables of two runs as one: a row for each figure, with its difference and what is sure of it."""

from collections.abc import Mapping, Sequence

from sediff.report.gates import difference_half_width
from sediff.report.rows import NO_PLACE, Figure, Row
from sediff.report.tables import Table

BESIDE = ("Difference", "Beyond chance")
Key = tuple[Row, int]  # a row's labels, and a column


def compared_tables(first: Sequence[Table], second: Sequence[Table], names: tuple[str, str]) -> list[Table]:
    """Tables by title, in the first's order; those of the second alone last. Figures that both share are left out.

    Args:
        names: of the runs, above their columns.
    """
    before, after = ({table.title: table for table in of} for of in (first, second))
    titles = dict.fromkeys([*before, *after])
    tables = [_table(before.get(title), after.get(title), names) for title in titles]
    return [table for table in tables if table.rows]


def difference(first: float, second: float, half_widths: tuple[float, float]) -> tuple[str, str]:
    """Second less first in words, and whether it lies outside its 95 % interval.

    Args:
        half_widths: of both intervals; where one is 0, for it has none, the difference has none either.
    """
    moved = second - first
    words = "0" if not moved else f"{moved:+,}" if isinstance(moved, int) else f"{moved:+.3g}"
    if not all(half_widths):
        return words, ""
    unsure = difference_half_width(*half_widths)
    return f"{words} ± {unsure:.2g}", "yes" if abs(moved) > unsure else "no"


def _table(first: Table | None, second: Table | None, names: tuple[str, str]) -> Table:
    one = first or second
    assert one is not None, "its title is of one of them"
    every = [row for table in (first, second) if table for row in table.rows]
    labels = _labels(every)
    cells = [_cells(table, labels) if table else {} for table in (first, second)]
    keys = dict.fromkeys(key for of in cells for key in of)
    pairs = {key: (cells[0].get(key, NO_PLACE), cells[1].get(key, NO_PLACE)) for key in keys}
    rows = tuple(
        (*key[0], one.head[key[1]], *pair, *_compared(*pair)) for key, pair in pairs.items() if pair[0] != pair[1]
    )
    same = len(pairs) - len(rows)
    note = f"{one.note} Left out, as they are the same in both: {same:,} of {len(pairs):,}." if same else one.note
    return Table(one.title, note, (*one.head[:labels], "Figure", *names, *BESIDE), rows)


def _labels(rows: Sequence[Row]) -> int:
    """How many columns come before the first that has a number somewhere."""
    return min((index for row in rows for index, cell in enumerate(row) if isinstance(cell, Figure)), default=1)


def _cells(table: Table, labels: int) -> Mapping[Key, str]:
    return {(row[:labels], index): row[index] for row in table.rows for index in range(labels, len(row))}


def _compared(one: str, other: str) -> tuple[str, str]:
    if not (isinstance(one, Figure) and isinstance(other, Figure)):
        return NO_PLACE, ""
    return difference(one.value, other.value, (one.half_width, other.half_width))
