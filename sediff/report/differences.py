"""The report's tables of two runs as one: a row for each figure, with its difference and what is sure of it."""

from collections.abc import Iterator, Mapping, Sequence

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


def _table(first: Table | None, second: Table | None, names: tuple[str, str]) -> Table:
    one = first or second
    assert one is not None, "its title is of one of them"
    every = [row for table in (first, second) if table for row in table.rows]
    labels = _labels(every)
    cells = [_cells(table, labels) if table else {} for table in (first, second)]
    keys = dict.fromkeys(key for of in cells for key in of)
    pairs = {key: (cells[0].get(key, NO_PLACE), cells[1].get(key, NO_PLACE)) for key in keys}
    rows = tuple(
        (*key[0], one.head[key[1]], *pair, *_difference(*pair)) for key, pair in pairs.items() if pair[0] != pair[1]
    )
    same = len(pairs) - len(rows)
    note = f"{one.note} Left out, as they are the same in both: {same:,} of {len(pairs):,}." if same else one.note
    return Table(one.title, note, (*one.head[:labels], "Figure", *names, *BESIDE), rows)


def _labels(rows: Sequence[Row]) -> int:
    """How many columns come before the first that has a number somewhere."""
    return min((index for row in rows for index, cell in enumerate(row) if isinstance(cell, Figure)), default=1)


def _cells(table: Table, labels: int) -> Mapping[Key, str]:
    return {(row[:labels], index): row[index] for row in table.rows for index in range(labels, len(row))}


def _difference(one: str, other: str) -> Iterator[str]:
    """Second less first, with half its 95 % interval where both have one, and whether it lies outside it."""
    if not (isinstance(one, Figure) and isinstance(other, Figure)):
        yield from (NO_PLACE, "")
        return
    difference = other.value - one.value
    if not (one.half_width and other.half_width):
        yield from (f"{difference:+,}" if isinstance(difference, int) else f"{difference:+.3g}", "")
        return
    unsure = difference_half_width(one.half_width, other.half_width)
    yield f"{difference:+.3g} ± {unsure:.2g}"
    yield "yes" if abs(difference) > unsure else "no"
