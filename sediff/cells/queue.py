"""The queue: which cells are done, what the others would cost, and running them one after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sediff.cells.cell import KeptCell
from sediff.files import read_out
from sediff.progress import log_line

Cell = TypeVar("Cell", bound=KeptCell)
Told = Callable[[dict[str, Any]], str]  # a cell's metrics in a few words


def run(cells: Sequence[Cell], compute: Callable[[Cell], dict[str, Any]], told: Told, folder: Path, queue: str) -> int:
    """Compute the cells that are not there and can be run, in order; gives how many.

    Args:
        compute: gives what is kept of a cell, its `metrics` among it.
        queue: what it is called in lines for the user.
    """
    missing = [cell for cell in cells if not cell.path(folder).exists()]
    able = [cell for cell in missing if not cell.lacks]
    if len(able) < len(missing):
        log_line(f"{queue}: {len(missing) - len(able)} cells cannot be run as it is, `--list` says what they lack")
    for number, cell in enumerate(able, start=1):
        log_line(f"{queue}: cell {number} of {len(able)}: {cell.name}")
        found = compute(cell)
        cell.write(folder, found)
        log_line(f"{queue}: {cell.name}: {told(found['metrics'])}")
    return len(able)


def lines(
    cells: Sequence[Cell],
    is_core: Callable[[Cell], bool],
    cost: Callable[[Cell], float | None],
    told: Told,
    folder: Path,
    width: int,
) -> list[str]:
    """A line for each cell: done, with its figures, or not run, with what it would cost; and the sum of that.

    Args:
        cost: minutes that a cell would take, None where nobody knows.
        width: characters of the longest name.
    """
    told_of, left = [], 0.0
    for cell in cells:
        kind = "core " if is_core(cell) else "other"
        found = cell.read(folder)
        if found:
            told_of.append(f"{kind}  {cell.name:<{width}} done     {told(found['metrics'])}")
            continue
        minutes = cost(cell)
        left += minutes or 0.0
        others = f"; {len(cell.others(folder))} of other inputs" if cell.others(folder) else ""
        lacks = f"; {cell.lacks}" if cell.lacks else ""
        told_of.append(f"{kind}  {cell.name:<{width}} not run  {cost_told(minutes)}{others}{lacks}")
    done = sum(cell.path(folder).exists() for cell in cells)
    return [*told_of, f"{done} of {len(cells)} done" + (f", about {left:.0f} min left" if left else "")]


def cost_told(minutes: float | None) -> str:
    """What a cell would cost, in words."""
    return f"about {minutes:.1f} min" if minutes is not None else "cost not known before a cell has run"


def not_run_told(missing: Sequence[Cell], cost: Callable[[Cell], float | None]) -> str:
    """How many cells are not there, what all of them would cost, and what the first lacks, for a table."""
    minutes = [cost(cell) for cell in missing]
    known = [value for value in minutes if value is not None]
    total = sum(known) if len(known) == len(minutes) else None
    lacks = f"; {missing[0].lacks}" if missing[0].lacks else ""
    return f"{len(missing)} not run: {cost_told(total)}{lacks}"


def kept(folder: Path) -> list[dict[str, Any]]:
    """All cells that are there, of whatever inputs, the last first."""
    paths = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    return [read_out(path) for path in paths]
