"""The ablation as a table: each arm's figures, and its paired differences to the arm without physics."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sediff.ablation.arms import BASELINE, Plan
from sediff.ablation.cell import Cell
from sediff.cells.differences import NOTHING, difference, markdown, number
from sediff.cells.queue import not_run_told

Found = dict[str, dict[int, dict[str, Any]]]  # by arm and seed
HEADER = (
    "arm",
    "seeds",
    "KID",
    "its difference to none",
    "rhythm × floor",
    "its difference",
    "heart rate MAE, bpm",
    "FD × floor",
    "AUROC / real",
    "deviation by lead",
    "ms a step, × none",
)


def table(cells: Sequence[Cell], plan: Plan, folder: Path, cost: Callable[[Cell], float | None]) -> list[str]:
    """Markdown: what was compared, and a row for each arm, run or not.

    Args:
        cost: minutes that a cell would take.
    """
    found: Found = {}
    for cell in cells:
        if content := cell.read(folder):
            found.setdefault(cell.arm, {})[cell.seed] = content
    if not found:
        return ["No cell has been computed: `sediff ablate` runs them, `sediff ablate --list` says what they cost."]
    any_cell = next(iter(next(iter(found.values())).values()))
    rows = []
    for arm in plan.arms:
        missing = [cell for cell in cells if cell.arm == arm and cell.seed not in found.get(arm, {})]
        if arm in found:
            rows.append(_row(arm, found[arm], found.get(BASELINE, {}), len(missing)))
        elif missing:
            rows.append([arm, not_run_told(missing, cost), *[NOTHING] * (len(HEADER) - 2)])
    return [
        f"First endpoint: KID of judge (a) on {any_cell['metrics']['records']} conditions of the {plan.split} split, "
        f"{any_cell['metrics'].get('records_compared', 0)} compared at a time (floor "
        f"{number(any_cell['metrics'].get('kid_floor'))}); second: Wasserstein distance of RMSSD / mean RR to real, "
        f"pooled, × floor. Each cell trained for {plan.steps} steps of "
        f"{any_cell['training']['parameters']['batch_size']} records: equal samples. The last column tells equal time: "
        "an arm at 1.1 × takes 1.1 times none's steps in none's time.",
        "Means over seeds; differences are paired by seed (same start, order of data and noise), with their 95 % "
        "interval by Student's t.",
        "",
        *markdown(HEADER, rows),
    ]


def _row(arm: str, cells: dict[int, dict[str, Any]], baseline: dict[int, dict[str, Any]], missing: int) -> list[str]:
    metrics = [cell["metrics"] for cell in cells.values()]
    leads = np.array([list(m["deviation"].values()) for m in metrics]).mean(0)
    return [
        arm,
        str(len(cells)) + (f", {missing} not run" if missing else ""),
        number(_mean(metrics, "kid")),
        _difference(arm, cells, baseline, "kid"),
        number(_mean(metrics, "rhythm_over_floor")),
        _difference(arm, cells, baseline, "rhythm_over_floor"),
        number(_mean([m["heart_rate"] for m in metrics], "mae_bpm")),
        number(_mean_ratio(metrics, "fd", "fd_floor")),
        number(_mean_ratio(metrics, "auroc", "auroc_real")),
        f"{leads.min():.3f} to {leads.max():.3f}",
        _pace(cells, baseline),
    ]


def _difference(arm: str, cells: dict[int, dict], baseline: dict[int, dict], metric: str) -> str:
    if arm == BASELINE:
        return NOTHING
    values, of_none = (
        {seed: cell["metrics"][metric] for seed, cell in of.items() if metric in cell["metrics"]}
        for of in (cells, baseline)
    )
    return difference(values, of_none)


def _pace(cells: dict[int, dict], baseline: dict[int, dict]) -> str:
    """Milliseconds a step, and how that compares with the baseline at the same seeds."""
    own, none = (
        {seed: cell["seconds"]["step"] for seed, cell in of.items() if "step" in cell["seconds"]}
        for of in (cells, baseline)
    )
    ratios = [own[seed] / none[seed] for seed in own if seed in none]
    if not own:
        return NOTHING
    told = f"{1000 * np.mean(list(own.values())):.0f}"
    return f"{told}, {np.mean(ratios):.2f}" if ratios else told


def _mean(metrics: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [m[name] for m in metrics if m.get(name) is not None]
    return float(np.mean(values)) if values else None


def _mean_ratio(metrics: Sequence[dict[str, Any]], above: str, below: str) -> float | None:
    return _mean([{"ratio": m[above] / m[below]} for m in metrics if above in m and m.get(below)], "ratio")
