"""The table on planted numbers."""

from pathlib import Path
from typing import Any

import pytest

from sediff.cells.differences import paired
from sediff.study.cell import Cell
from sediff.study.plan import Plan
from sediff.study.table import HEADER, table

PLAN = Plan.load()


def cell(study: str, arm: str, seed: int) -> Cell:
    return Cell(study, arm, seed, PLAN.studies[study], PLAN.arms[arm], {"seed": seed})


def write(folder: Path, of: Cell, auroc: float, synthetic: int = 0, seen: int = 0, **more: Any) -> None:
    metrics = {"auroc": auroc, "auprc": auroc / 2, "f1": 0.25}
    records = {
        "real": [1000], "real_cases": [20], "synthetic": [synthetic], "synthetic_cases": [synthetic // 10],
        "tested": [500], "tested_cases": [50],
    }  # fmt: skip
    if synthetic:
        records |= {"left_out": [351], "left_out_seen": [seen]}
    of.write(folder, {"metrics": metrics, "records": records, "seconds": {}, **more})


def lines_of(cells: list[Cell], folder: Path) -> list[str]:
    return table(cells, PLAN, folder, lambda cell: 2.0)


def test_differences_are_paired_by_seed_and_what_is_not_run_has_its_cost(tmp_path):
    study, differences, cells = "thinned-CLBBB", [0.05, 0.03, 0.04], []
    close = {"nearest_kept": {"synthetic": 0.8, "real": 0.7}, "diversity_over_real": 0.9, "cases": 20}
    for seed, (base, difference) in enumerate(zip([0.7, 0.9, 0.8], differences, strict=True)):
        cells += [cell(study, "real", seed), cell(study, "both", seed), cell(study, "filled", seed)]
        write(tmp_path, cells[-3], base)
        write(tmp_path, cells[-2], base + difference, synthetic=400, seen=351, closeness=close)
    cells += [cell("svt", arm, 0) for arm in ("real", "both")]
    text = lines_of(cells, tmp_path)
    rows = {line.split("|")[1].strip(): line for line in text if line.startswith("| ")}
    mean, half = paired(differences)
    assert (mean, half) == pytest.approx((0.04, 4.3027 * 0.01 / 3**0.5), rel=1e-4)
    assert "| real | 3 | 1000 (20) | 0 | 0.8 | – | 0.4 | – | 0.25 |" in text
    told = f"{mean:+.3g} ({mean - half:+.3g} to {mean + half:+.3g}, 3 seeds)"
    assert f"| both | 3 | 1000 (20) | 400 (40) | 0.84 | {told} | 0.42 |" in "\n".join(text)
    assert "| both | 0.800 (real 0.700) | – | 0.9 |" in text
    assert "3 not run: about 6.0 min" in rows["filled"]
    assert "Tested on 500 real records, 50 of them cases." in text
    assert any("trained on 351 of the 351 training records that this study leaves out" in line for line in text)
    assert "### svt (exploratory)" in text
    assert any("1 not run: about 2.0 min; needs 5 generators" in line for line in text)
    full = [line for line in text if line.startswith("| ") and line.count("|") != 5]
    assert {line.count("|") for line in full} == {len(HEADER) + 1}


def test_a_generator_that_was_trained_without_them_is_said_too(tmp_path):
    cells = [cell("thinned-CLBBB", "both", 0), cell("thinned-CLBBB", "both", 1)]
    write(tmp_path, cells[0], 0.9, synthetic=400)
    text = "\n".join(lines_of(cells, tmp_path))
    assert "The generator was trained on none of the training records that this study leaves out." in text
    assert "| both | 1, 1 not run |" in text
    assert "| 0.9 | – |" in text, "nothing to compare with"
