"""The queue of the ablation: its endpoints in a few words, and what cells cost."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sediff.ablation.cell import Cell
from sediff.ablation.compute import Bench
from sediff.cells import queue

WIDTH = 24  # characters of a cell's name


def run(cells: Sequence[Cell], bench: Bench, folder: Path) -> int:
    """Compute the cells that are not there, in order; gives how many."""
    return queue.run(cells, bench.compute, told, folder, "ablation")


def lines(cells: Sequence[Cell], core: Iterable[str], folder: Path, paces: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each cell: done, with its figures, or not run, with what it would cost; and the sum of that.

    Args:
        paces: seconds of cells or stages that ran on such a device, the last first.
    """
    return queue.lines(cells, lambda cell: cell.arm in core, lambda cell: cost(cell, paces), told, folder, WIDTH)


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
    return [
        {
            "step": cell["seconds"].get("step", 0.0),
            "sample": cell["seconds"]["sampling"] / max(1, cell["metrics"]["records"]),
            "measuring": cell["seconds"]["measuring"],
        }
        for cell in queue.kept(folder)
        if cell["training"]["device"] == device
    ]
