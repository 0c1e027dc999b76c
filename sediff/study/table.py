"""The studies as tables: each arm's figures, its paired differences to `real`, and what is not run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sediff.cells.differences import NOTHING, difference, markdown, number
from sediff.cells.queue import not_run_told
from sediff.study.cell import Cell
from sediff.study.plan import BASELINE, Plan

Found = dict[str, dict[int, dict[str, Any]]]  # by arm and seed
HEADER = (
    "arm",
    "seeds",
    "real records (cases)",
    "synthetic (cases)",
    "AUROC",
    "its difference to real",
    "AUPRC",
    "its difference",
    "F1",
)
EACH = "auroc"  # of each class
CLOSE = ("arm", "nearest kept case", "nearest left-out case", "diversity over real")


def table(cells: Sequence[Cell], plan: Plan, folder: Path, cost: Callable[[Cell], float | None]) -> list[str]:
    """Markdown: a section for each study, with a row for each of its arms, run or not.

    Args:
        cost: minutes that a cell would take.
    """
    classifier = plan.classifier
    lines = [
        "AUROC and AUPRC on real patients, means over classes and folds; F1 at a probability of 0.5. Each cell took "
        f"{classifier.steps} steps of {classifier.batch_size} records. Means over seeds; differences are paired by "
        "seed (same start, same training cases), with their 95 % interval by Student's t: it speaks of trainings; the "
        "interval over patients stands in each cell's file.",
    ]
    for study in plan.studies:
        own = [cell for cell in cells if cell.study == study]
        if own:
            lines += ["", *_section(study, own, plan, folder, cost)]
    return lines


def _section(
    study: str, cells: Sequence[Cell], plan: Plan, folder: Path, cost: Callable[[Cell], float | None]
) -> list[str]:
    found: Found = {}
    for cell in cells:
        if content := cell.read(folder):
            found.setdefault(cell.arm, {})[cell.seed] = content
    arms = list(dict.fromkeys(cell.arm for cell in cells))
    rows = []
    for arm in arms:
        missing = [cell for cell in cells if cell.arm == arm and cell.seed not in found.get(arm, {})]
        if arm in found:
            rows.append(_row(arm, found[arm], found.get(BASELINE, {}), len(missing)))
        else:
            rows.append([arm, not_run_told(missing, cost), *[NOTHING] * (len(HEADER) - 2)])
    close, each = _close_rows(found), _each_rows(found)
    heading = f"### {study}" + (" (exploratory)" if plan.studies[study].exploratory else "")
    lines = [heading, "", *_notes(found), *markdown(HEADER, rows)]
    if close:
        lines += ["", *markdown(CLOSE, close)]
    if each:
        lines += ["", "AUROC of each class, means over seeds.", "", *markdown(("class", "tested cases", *found), each)]
    return lines


def _row(arm: str, cells: dict[int, dict], baseline: dict[int, dict], missing: int) -> list[str]:
    seeds = str(len(cells)) + (f", {missing} not run" if missing else "")
    scored = {seed: cell for seed, cell in cells.items() if "left_out" not in cell["metrics"]}
    if not scored:
        note = next(iter(cells.values()))["metrics"]["left_out"]
        return [arm, seeds, *[NOTHING] * (len(HEADER) - 3), note]
    columns = [arm, seeds, _records(scored, "real"), _records(scored, "synthetic")]
    for measure in ("auroc", "auprc"):
        values, of_real = (
            {seed: cell["metrics"][measure] for seed, cell in of.items() if measure in cell["metrics"]}
            for of in (scored, baseline)
        )
        columns.append(number(float(np.mean(list(values.values())))))
        columns.append(NOTHING if arm == BASELINE else difference(values, of_real))
    return [*columns, number(float(np.mean([cell["metrics"]["f1"] for cell in scored.values()])))]


def _records(cells: dict[int, dict], kind: str) -> str:
    """How many of a kind a classifier was trained on, and how many cases, where there is one class."""
    total, cases = (_span(cells, key) for key in (kind, f"{kind}_cases"))
    return f"{total} ({cases})" if cases and total != "0" else total


def _span(cells: dict[int, dict], key: str) -> str:
    values = [value for cell in cells.values() for value in cell["records"].get(key, [])]
    if not values:
        return ""
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _notes(found: Found) -> list[str]:
    """Who is tested, and what the generator knew that the classifier does not."""
    cells = [cell for of in found.values() for cell in of.values() if "records" in cell]
    if not cells:
        return []
    every = dict(enumerate(cells))
    tested, cases = _span(every, "tested"), _span(every, "tested_cases")
    lines = [f"Tested on {tested} real records" + (f", {cases} of them cases." if cases else ".")]
    known, left_out = (
        max([value for cell in cells for value in cell["records"].get(key, [])], default=0)
        for key in ("left_out_seen", "left_out")
    )
    if known:
        lines.append(
            f"The generator was trained on {known} of the {left_out} training records that this study leaves out: "
            "synthetic records hold what its real ones do not, so what they gain is not gained from those few alone."
        )
    elif left_out:
        lines.append("The generator was trained on none of the training records that this study leaves out.")
    return [*lines, ""]


def _each_rows(found: Found) -> list[list[str]]:
    """AUROC of each class by arm, where a study tells each."""
    told = {
        arm: [cell["metrics"]["each"] for cell in of.values() if "each" in cell["metrics"]] for arm, of in found.items()
    }
    one: dict[str, Any] = next((cells[0] for cells in told.values() if cells), {})
    return [
        [name, str(sum(one[name]["tested_cases"])), *(_mean_of(cells, name) for cells in told.values())] for name in one
    ]


def _mean_of(cells: Sequence[dict[str, Any]], name: str) -> str:
    return number(float(np.mean([cell[name][EACH] for cell in cells]))) if cells else NOTHING


def _close_rows(found: Found) -> list[list[str]]:
    """Synthetic beside real: correlation with the nearest training case (median), diversity."""
    rows = []
    for arm, cells in found.items():
        measured = [cell["closeness"] for cell in cells.values() if "closeness" in cell]
        if not measured:
            continue
        if notes := [each["left_out"] for each in measured if "left_out" in each]:
            rows.append([arm, NOTHING, NOTHING, notes[0]])
            continue
        diversity = number(float(np.mean([each["diversity_over_real"] for each in measured])))
        rows.append([arm, _nearest(measured, "nearest_kept"), _nearest(measured, "nearest_left_out"), diversity])
    return rows


def _nearest(measured: Sequence[dict[str, Any]], key: str) -> str:
    means = [
        float(np.mean([each[key][of] for each in measured if key in each] or [np.nan])) for of in ("synthetic", "real")
    ]
    return f"{means[0]:.3f} (real {means[1]:.3f})" if np.isfinite(means).all() else NOTHING
