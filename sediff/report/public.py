"""Metrics as a page shows them that others may see: no counts of few patients, however one adds up, no words of theirs.

A count under `SMALLEST_CELL` is hidden. Then nothing that is shown may tell it:

- A table's sum may stand elsewhere, as the number of records mostly does, or in its row of all. Then beside k hidden
  cells others of the table are withheld, the smallest first, until any k counts under ten could be part of what all
  these add up to.
- A withheld count is withheld wherever it stands: a stage's number of test records is that of the corpus, and mostly
  that of the run beside it on the page.
- Tables of two kinds at once are left out, whose cells the tables of either kind would add up to.
- A share of n records, or a difference of two, is left out where n or the count that it stands for is hidden, and with
  a share what is said of it and another: the difference of both, or their quotient.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

SMALLEST_CELL = 10
HIDDEN = f"fewer than {SMALLEST_CELL}"
WITHHELD = "not shown"
OWN_WORDS = "unmapped"  # what sources say that nobody understood: it may be anything, a name too
CROSSED = "sex_and_age"  # with what stands in the tables of either, a cell that it leaves out could be told
COMPARED, COMPARISONS = ("synthetic", "reconstructed", "real", "simulator"), ("difference", "over_real")
FIGURES, ENDS = ("share", "mean", "value"), ("low", "median", "high")  # and its interval, which tells it too
TOTAL = "records"  # of what stands beside it
ALL = "all"  # the row that the other rows of its table add up to
FEWEST_DIGITS = 4  # after the point, to which shares are rounded
Group = list[int]  # counts that may add up to something known
Path = tuple[str | int, ...]  # of keys


def public(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics by stage with what is hidden in words."""
    return public_runs([metrics])[0]


def public_runs(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Metrics by stage of runs that one page shows: what is withheld in one of them is in all."""
    kept = [_without_what_tells(metrics) for metrics in runs]
    totals, withheld = {total for metrics in kept for total in _totals(metrics)}, set[int]()
    groups = [group for metrics in kept for stage in metrics.values() for group in _groups(stage, 0, totals)]
    while more := set().union(*(_to_withhold(group, withheld) for group in groups)):
        withheld |= more
    return [{stage: _shown(values, withheld, ()) for stage, values in metrics.items()} for metrics in kept]


def _without_what_tells(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_what_tells(cell) for key, cell in value.items() if key not in (OWN_WORDS, CROSSED)}
    return [_without_what_tells(cell) for cell in value] if isinstance(value, list) else value


def _totals(value: Any) -> Iterator[int]:
    """Counts that are no table's own cells, or its only one: what another table might add up to."""
    cells = list(_cells(value).values())
    if len(cells) == 1 or not all(type(cell) is int for cell in cells):
        yield from (cell for cell in cells if type(cell) is int)
        for cell in cells:
            yield from _totals(cell)


def _groups(value: Any, total: int, totals: set[int]) -> Iterator[Group]:
    """Tables, lists and columns of counts whose sum is one of all `totals`, or nearly that of all or that beside them.

    What is left of it is a cell too, which nobody named.
    """
    cells = _cells(value)
    of_all = dict(_counts(cells.get(ALL)))
    rows = [dict(_counts(cell)) for key, cell in cells.items() if key != ALL]
    for path, group in _columns(rows).items():
        if not path and len(group) < len(rows):
            continue  # counts among other things are no table
        told, whole = sum(group), of_all.get(path, total)
        if (len(group) > 1 or len(rows) == 1) and _is_small(whole - told):
            yield [*group, whole - told]
        if len(group) > 1 and (told in totals or told == of_all.get(path)):
            yield group
    inside = cells.get(TOTAL, total)
    for cell in cells.values():
        yield from _groups(cell, inside if type(inside) is int else total, totals)


def _cells(value: Any) -> dict[str | int, Any]:
    """What a table or a list holds; nothing of anything else."""
    return dict(value) if isinstance(value, Mapping) else dict(enumerate(value)) if isinstance(value, list) else {}


def _counts(value: Any, path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Every count below a value, however deep, with its path."""
    if type(value) is int:
        yield path, value
    for key, cell in _cells(value).items():
        yield from _counts(cell, (*path, key))


def _columns(rows: Sequence[Mapping[Path, int]]) -> dict[Path, Group]:
    """The counts of rows by what they stand under."""
    columns: dict[Path, Group] = defaultdict(list)
    for row in rows:
        for path, count in row.items():
            columns[path].append(count)
    return columns


def _to_withhold(group: Group, withheld: set[int]) -> set[int]:
    """Counts of a group that must be withheld too; its sum itself where no cell is left."""
    small = [cell for cell in group if _is_small(cell)]
    others = sorted(cell for cell in group if cell >= SMALLEST_CELL)
    chosen, left = ([cell for cell in others if (cell in withheld) == known] for known in (True, False))
    if not small and not chosen:
        return set()
    more: set[int] = set()
    while not _are_covered(small, chosen):
        if not left:
            return (more | {sum(group)}) - withheld
        more.add(left[0])
        chosen.append(left.pop(0))
    return more


def _are_covered(small: Group, chosen: Group) -> bool:
    """Whether any counts under ten could stand in the hidden cells, if the sum of all hidden and withheld is known."""
    least = (SMALLEST_CELL - 1) * len(small) + SMALLEST_CELL * len(chosen)
    return bool(chosen) and len(small) + len(chosen) > 1 and sum(small) + sum(chosen) >= least


def _shown(value: Any, withheld: set[int], sizes: Sequence[int]) -> Any:
    """A part of the metrics as it may be shown; `sizes` are the counts beside and above it."""
    if isinstance(value, dict):
        sizes = [*sizes, *(cell for cell in value.values() if type(cell) is int and cell > 0)]
        shown = {key: _shown(cell, withheld, sizes) for key, cell in value.items()}
        below = {key: -value[key] for key in FIGURES if isinstance(value.get(key), float) and value[key] < 0}
        shown |= {key: WITHHELD for key, less in below.items() if _shown(less, withheld, sizes) != less}
        if any(_is_hidden(shown.get(side)) for side in COMPARED):
            shown |= {key: _all_withheld(shown[key]) for key in COMPARISONS if key in shown}
        if _is_hidden(shown):
            shown |= {key: _all_withheld(shown[key]) for key in ENDS if key in shown}
        return shown
    if isinstance(value, list):
        return [_shown(cell, withheld, sizes) for cell in value]
    if type(value) is int:
        return HIDDEN if _is_small(value) else WITHHELD if value in withheld else value
    if isinstance(value, float) and 0 < value < 1:
        return WITHHELD if any(_gives_away(value, size, withheld) for size in sizes) else value
    return value


def _is_hidden(value: Any) -> bool:
    """Whether a figure is in words, with its interval or without."""
    figures = [value.get(key) for key in FIGURES] if isinstance(value, dict) else [value]
    return any(figure in (HIDDEN, WITHHELD) for figure in figures)


def _all_withheld(value: Any) -> Any:
    return {key: _all_withheld(cell) for key, cell in value.items()} if isinstance(value, dict) else WITHHELD


def _is_small(count: int) -> bool:
    return 0 < count < SMALLEST_CELL


def _gives_away(share: float, size: int, withheld: set[int]) -> bool:
    """Whether a number, as precisely as it is written, is a share of so many, and tells a count that is hidden."""
    digits = max(FEWEST_DIGITS, -int(Decimal(repr(share)).as_tuple().exponent))
    precision, count = 10.0**-digits, round(share * size)
    if abs(share * size - count) > size * precision * 0.51 or count in (0, size):
        return False
    return any(_is_small(number) or number in withheld for number in (size, count, size - count))
