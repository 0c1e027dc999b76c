"""The queue of the studies: a cell's endpoints in a few words, and what cells cost."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sediff.cells import queue
from sediff.study.bench import Bench
from sediff.study.cell import Cell
from sediff.study.plan import Plan, TrainingParams

Pace = dict[str, float]  # seconds of a `step`, and of the `rest` of a cell
WIDTH = 38  # characters of a cell's name
SHAPE = ("width", "depth", "kernel", "batch_size")  # of the classifier: what the time of a step depends on


def run(cells: Sequence[Cell], bench: Bench, folder: Path) -> int:
    """Compute the cells that are not there and can be run, in order; gives how many."""
    return queue.run(cells, bench.compute, told, folder, "study")


def lines(cells: Sequence[Cell], plan: Plan, folder: Path, cost: Callable[[Cell], float | None]) -> list[str]:
    """A line for each cell: done, with its figures, or not run, with what it would cost; and the sum of that.

    Args:
        cost: minutes that a cell would take.
    """

    def is_core(cell: Cell) -> bool:
        return plan.is_core(cell.study, cell.arm)

    return queue.lines(cells, is_core, cost, told, folder, WIDTH)


def told(metrics: dict[str, Any]) -> str:
    """The endpoints in a few words."""
    if "left_out" in metrics:
        return metrics["left_out"]
    return ", ".join(f"{name.upper()} {metrics[name]:.3f}" for name in ("auroc", "auprc", "f1"))


def cost(cell: Cell, paces: Sequence[Pace]) -> float | None:
    """Minutes that a cell would take, at the pace of the last that ran; None where none has."""
    if not paces:
        return None
    steps = cell.rests_on["classifier"]["steps"] * max(1, cell.declared.folds)
    return (paces[0]["step"] * steps + paces[0].get("rest", 0.0)) / 60


def paces_of(folder: Path, classifier: TrainingParams, device: dict[str, str]) -> list[Pace]:
    """Seconds of a step and of the rest, of each cell with such a classifier on such a device, the last first."""
    shape = _shape(classifier.model_dump(mode="json"))
    return [
        cell["seconds"]
        for cell in queue.kept(folder)
        if cell["seconds"].get("step")
        and cell["rests_on"]["device"] == device
        and _shape(cell["rests_on"]["classifier"]) == shape
    ]


def _shape(classifier: Mapping[str, Any]) -> list[Any]:
    return [classifier.get(key) for key in SHAPE]
