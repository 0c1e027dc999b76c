"""The queue: which cells are done, what the others would cost, and running them one after the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sediff.ablation.cell import Cell
from sediff.ablation.compute import Bench
from sediff.files import read_out
from sediff.progress import log_line


def run(cells: Sequence[Cell], bench: Bench, folder: Path) -> int:
    """Compute the cells that are not there, in order; gives how many."""
    missing = [cell for cell in cells if not cell.path(folder).exists()]
    for number, cell in enumerate(missing, start=1):
        log_line(f"ablation: cell {number} of {len(missing)}: {cell.name}")
        found = bench.compute(cell)
        cell.write(folder, found)
        log_line(f"ablation: {cell.name}: {told(found['metrics'])}")
    return len(missing)


def lines(cells: Sequence[Cell], core: Iterable[str], folder: Path, paces: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each cell: done, with its figures, or not run, with what it would cost; and the sum of that.

    Args:
        paces: seconds of cells or stages that ran on such a device, the last first.
    """
    told_of, left = [], 0.0
    for cell in cells:
        kind = "core " if cell.arm in core else "other"
        found = cell.read(folder)
        if found:
            told_of.append(f"{kind}  {cell.name:<24} done     {told(found['metrics'])}")
            continue
        minutes = cost(cell, paces)
        left += minutes or 0.0
        cost_told = f"about {minutes:.1f} min" if minutes is not None else "cost not known before a cell has run"
        others = f"; {len(cell.others(folder))} of other inputs" if cell.others(folder) else ""
        told_of.append(f"{kind}  {cell.name:<24} not run  {cost_told}{others}")
    done = sum(cell.path(folder).exists() for cell in cells)
    return [*told_of, f"{done} of {len(cells)} done" + (f", about {left:.0f} min left" if left else "")]


def told(metrics: dict[str, Any]) -> str:
    """The endpoints in a few words."""
    names = (("kid", "KID", ".4g"), ("rhythm_over_floor", "rhythm × floor", ".2f"), ("fd", "FD", ".4g"))
    parts = [f"{name} {metrics[key]:{form}}" for key, name, form in names if key in metrics]
    return ", ".join(parts) or "too few records to compare"


def cost(cell: Cell, paces: Sequence[dict[str, Any]]) -> float | None:
    """Minutes that a cell would take, at the pace of the last that ran; None where none has."""
    steps, samples = cell.training["parameters"]["steps"], cell.measuring["samples"]
    for pace in paces:
        if pace.get("step"):
            return (pace["step"] * steps + pace.get("sample", 0.0) * samples + pace.get("measuring", 0.0)) / 60
    return None


def paces_of(folder: Path, device: dict[str, str]) -> list[dict[str, float]]:
    """Seconds of a step, of a sample and of measuring, of each cell that ran on such a device, the last first."""
    paths = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    found = [read_out(path) for path in paths]
    return [
        {
            "step": cell["seconds"].get("step", 0.0),
            "sample": cell["seconds"]["sampling"] / max(1, cell["metrics"]["records"]),
            "measuring": cell["seconds"]["measuring"],
        }
        for cell in found
        if cell["training"]["device"] == device
    ]
