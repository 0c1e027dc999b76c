"""Cells of small studies on a tiny corpus: killed and gone on with, of other inputs, with too little to say."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sediff.encoder.judge import Judge
from sediff.errors import UserError
from sediff.files import write_json
from sediff.params import set_params
from sediff.report.markdown import tables_of
from sediff.study.cell import NEWER, Cell, cells_of
from sediff.study.classify import deep_classifier
from sediff.study.deep import work_of
from sediff.study.own_bench import OwnBench
from sediff.study.plan import Plan
from sediff.study.queue import cost, lines, paces_of, run
from sediff.study.table import table
from sediff.training import checkpoint
from tests.conftest import ROOT
from tests.learnable import CODES, write_records
from tests.pipeline.clone import command

LABELS = np.arange(240) // 8 % 2
DEVICE = {"device": "CPU"}
PLAN = Plan.model_validate(
    {
        "classifier": {"width": 8, "depth": 2, "steps": 30, "batch_size": 32, "learning_rate": 1e-2},
        "networks": {
            "deep": {"depth": [1, 2], "width": 16, "kernel": 5, "steps": 60, "batch_size": 32, "learning_rate": 1e-2}
        },
        "min_cases": 5,
        "bootstraps": 4,
        "compared": 20,
        "core_seeds": [0],
        "seeds": [0],
        "arms": {
            "real": {},
            "synthetic": {"real": False, "synthetic": "all"},
            "both": {"synthetic": "all", "augmented": True},
            "filled": {"synthetic": "cases", "augmented": True},
            "oversampled": {"oversampled": True},
        },
        "studies": {
            "all": {"target": "superclasses", "equal": True, "tested_on": ["test"], "core": ["real", "synthetic"]},
            "thinned": {
                "target": "statements", "statements": ["CLBBB"], "kept": 6, "tested_on": ["test"],
                "others": ["filled", "oversampled"],
            },
            "folded": {"target": "statements", "statements": ["CLBBB"], "folds": 2, "others": ["real", "filled"]},
            "each": {
                "target": "each statement", "min_cases": 25, "equal": True, "tested_on": ["test"],
                "others": ["real", "synthetic"],
            },
            "deep": {
                "target": "superclasses", "equal": True, "tested_on": ["test"], "network": "deep", "others": ["both"],
            },
            "rare": {"target": "statements", "statements": ["WPW"], "tested_on": ["test"], "others": ["real"]},
        },
    }
)  # fmt: skip


def manifest(folder: Path, fingerprint: str) -> None:
    write_json(folder / "manifest.json", {"fingerprint": fingerprint})


def clone_at(root: Path, **synthetic: Any) -> Path:
    """A clone's folder with the code and what the stages before would have made."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("sediff", "flows", "knowledge", "dvc.yaml", "constraints.txt"):
        (root / name).symlink_to(ROOT / name)
    data = root / "data"
    write_records(data / "corpus", LABELS)
    write_records(data / "synthesis/augmentation", LABELS[:100], **{"seed": 1, **synthetic})
    (data / "encoder/judges").mkdir(parents=True)
    torch.manual_seed(0)
    Judge(CODES, 8).save(data / "encoder/judges")
    for name in ("corpus", "synthesis/augmentation", "encoder/judges"):
        manifest(data / name, name)
    return root


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    return clone_at(tmp_path_factory.mktemp("studied") / "clone")


def bench_of(root: Path, vocabulary, generators: tuple[Path, ...] = (), every: int = 200) -> OwnBench:
    folders = dict.fromkeys(PLAN.studies, generators or (root / "data",))
    return OwnBench(root / "data", folders, root / "work", PLAN, vocabulary, torch.device("cpu"), every)


def chosen(root: Path, study: str, *arms: str, generators: int = 1, plan: Plan = PLAN, **how) -> list[Cell]:
    folders = dict.fromkeys(plan.studies, [root / "data"] * generators)
    return cells_of(root, plan, how.get("device", DEVICE), folders, [study], list(arms), [])


def figures(cell: Cell, folder: Path) -> dict:
    content = cell.read(folder)
    assert content, cell.name
    return {name: value for name, value in content.items() if name != "seconds"}


def test_good_synthetic_records_teach_and_a_finished_cell_stays(clone, vocabulary):
    bench, cells, folder = bench_of(clone, vocabulary), chosen(clone, "all"), clone / "cells"
    assert run(cells, bench, folder) == 2
    for cell in cells:
        found = figures(cell, folder)
        assert found["metrics"]["auroc"] > 0.9
        assert set(found["metrics"]["by_class"]) == {"NORM", "CD"}, "those that have cases"
        low, high = found["metrics"]["auroc_interval"]
        assert low <= high
    real, synthetic = (figures(cell, folder)["records"] for cell in cells)
    assert (real["real"], real["synthetic"], real["tested"]) == ([100], [0], [60])
    assert (synthetic["real"], synthetic["synthetic"], synthetic["left_out_seen"]) == ([0], [100], [80])
    before = figures(cells[1], folder)
    assert run(cells, bench, folder) == 0
    cells[1].path(folder).unlink()
    assert run(cells, bench, folder) == 1
    assert figures(cells[1], folder) == before
    assert not list((clone / "work").iterdir())
    assert paces_of(folder, PLAN.classifier, DEVICE)[0]["step"] > 0
    assert paces_of(folder, PLAN.classifier, {"device": "GPU"}) == []
    assert lines(cells, PLAN, folder, lambda cell: None)[-1] == "2 of 2 done"


def test_each_statement_with_enough_cases_is_told_by_one_classifier(clone, vocabulary, tmp_path):
    cells, bench = chosen(clone, "each"), bench_of(clone, vocabulary)
    assert run(cells, bench, tmp_path) == 2
    trained, tested, made = LABELS[:100], LABELS[np.arange(240) // 2 % 4 == 0], LABELS[:100]
    for cell, kind in zip(cells, ("real", "synthetic"), strict=True):
        metrics = figures(cell, tmp_path)["metrics"]
        assert set(metrics["each"]) == {"NORM", "CLBBB"}
        for measure in ("auroc", "auprc"):
            values = [of[measure] for of in metrics["each"].values()]
            assert min(values) > 0.9
            assert metrics[measure] == pytest.approx(np.mean(values), abs=1e-6)
        told = metrics["each"]["CLBBB"]
        assert told["tested_cases"] == [int(tested.sum())]
        assert told[f"{'synthetic' if kind == 'real' else 'real'}_cases"] == [0]
    assert figures(cells[1], tmp_path)["metrics"]["each"]["CLBBB"]["synthetic_cases"] == [int(made.sum())]
    assert 0 < figures(cells[0], tmp_path)["metrics"]["each"]["CLBBB"]["real_cases"][0] < len(trained)
    rows = [line for line in table(cells, PLAN, tmp_path, lambda cell: None) if line.startswith("| CLBBB |")]
    (row,) = rows
    assert row.startswith(f"| CLBBB | {tested.sum()} | ") and row.count("|") == 5
    assert not list((clone / "work").iterdir())


def test_a_study_may_name_a_network_and_its_pace_is_its_own(clone, vocabulary, tmp_path):
    (cell,) = chosen(clone, "deep")
    run([cell], bench_of(clone, vocabulary), tmp_path)
    metrics = figures(cell, tmp_path)["metrics"]
    assert metrics["auroc"] > 0.9
    assert set(metrics["each"]) == {"NORM", "CD"}
    assert cell.rests_on["classifier"] == PLAN.networks["deep"].model_dump(mode="json")
    (pace,) = paces_of(tmp_path, PLAN.networks["deep"], DEVICE)
    assert paces_of(tmp_path, PLAN.classifier, DEVICE) == []
    assert cost(cell, [pace]) == pytest.approx((60 * pace["step"] + pace["rest"]) / 60)
    more = work_of(PLAN.networks["deep"]) / work_of(PLAN.classifier)
    assert more > 2 and work_of(PLAN.classifier.model_copy(update={"batch_size": 64})) == 2 * work_of(PLAN.classifier)


def test_of_statements_without_enough_cases_none_is_scored(clone, vocabulary, tmp_path):
    studies = {"each": PLAN.studies["each"].model_copy(update={"min_cases": 35})}  # 30 of each are tested
    plan = PLAN.model_copy(update={"studies": studies})
    cells = chosen(clone, "each", "real", plan=plan)
    bench = OwnBench(clone / "data", {"each": [clone / "data"]}, tmp_path, plan, vocabulary, torch.device("cpu"), 200)
    note = "no class has 35 real cases to train on and 35 to test on"
    assert bench.compute(cells[0]) == {"metrics": {"left_out": note}, "seconds": {}}


def test_what_studies_have_of_their_own_is_no_part_of_the_other_cells(clone):
    """Or cells that were computed before there was such a thing would count no more."""
    (plain, _), (own, _), (deep,) = (chosen(clone, study) for study in ("all", "each", "deep"))
    assert set(plain.rests_on) == {
        "study", "arm", "classifier", "min_cases", "bootstraps", "compared", "seed", "inputs", "code", "device",
    }  # fmt: skip
    assert set(plain.rests_on["study"]) == {
        "target", "statements", "kept", "share", "equal", "tested_on", "folds", "exploratory", "request",
    }  # fmt: skip
    assert set(plain.rests_on["classifier"]) == {"width", "depth", "steps", "batch_size", "learning_rate"}
    assert (plain.rests_on["min_cases"], own.rests_on["min_cases"]) == (5, 25)
    assert set(own.rests_on["study"]) == set(deep.rests_on["study"]) == set(plain.rests_on["study"])
    assert set(NEWER) <= set(deep.rests_on["code"]) and not set(NEWER) & set(plain.rests_on["code"])
    assert set(NEWER) == set(own.rests_on["code"]) - set(plain.rests_on["code"])


def test_mislabelled_synthetic_records_mislead(vocabulary, tmp_path):
    root = clone_at(tmp_path / "clone", mislabelled=True)
    (cell,) = chosen(root, "all", "synthetic")
    assert bench_of(root, vocabulary).compute(cell)["metrics"]["auroc"] < 0.2


def test_a_cell_that_was_killed_goes_on_to_the_same_figures(clone, vocabulary, tmp_path):
    (cell,) = chosen(clone, "thinned", "filled")
    whole = bench_of(clone, vocabulary).compute(cell)
    often = bench_of(clone, vocabulary, every=10)
    save = checkpoint.save

    def cut(path: Path, state: checkpoint.State, identity) -> None:
        if state.step > 10:
            raise KeyboardInterrupt
        save(path, state, identity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sediff.training.checkpoint.save", cut)
        with pytest.raises(KeyboardInterrupt):
            run([cell], often, tmp_path)
    assert not cell.path(tmp_path).exists()
    assert list((clone / "work").glob("*/*.pt"))
    assert run([cell], often, tmp_path) == 1
    assert {key: cell.read(tmp_path)[key] for key in ("metrics", "records", "closeness")} == {
        key: whole[key] for key in ("metrics", "records", "closeness")
    }


def test_of_a_thinned_class_numbers_nearness_and_diversity_are_told(vocabulary, tmp_path):
    root = clone_at(tmp_path / "clone", seed=0)  # the same draws as the corpus: synthetic records are copies of it
    filled, oversampled = chosen(root, "thinned")
    found = bench_of(root, vocabulary).compute(filled)
    cases, trained = int(LABELS[:100].sum()), np.arange(240) // 2 % 4 != 0
    left_out = int(LABELS[trained].sum()) - 6
    assert {key: value for key, (value,) in found["records"].items()} == {
        "real": int((LABELS[trained] == 0).sum()) + 6, "real_cases": 6, "synthetic": cases, "synthetic_cases": cases,
        "tested": 60, "tested_cases": int(LABELS[~trained].sum()), "left_out": left_out, "left_out_seen": left_out,
    }  # fmt: skip
    nearest = found["closeness"]["nearest_left_out"]
    assert nearest["synthetic"] > 0.97 > nearest["real"], "copies show"
    assert found["closeness"]["diversity_over_real"] > 0
    assert "closeness" not in bench_of(root, vocabulary).compute(oversampled)


def test_a_generator_that_knows_who_is_tested_is_refused(clone, vocabulary, tmp_path):
    real, filled = chosen(clone, "folded")
    assert "needs 2 generators" in filled.lacks
    assert not real.lacks
    assert chosen(clone, "thinned", "filled", generators=2)[0].lacks == "takes one `--generator`, not 2"
    assert "needs a generator trained without" in chosen(clone, "thinned", "filled", generators=0)[0].lacks
    assert run([filled], bench_of(clone, vocabulary), tmp_path) == 0
    assert "not run" in "\n".join(lines([filled], PLAN, tmp_path, lambda cell: None))
    knowing = bench_of(clone, vocabulary, (clone / "data", clone / "data"))
    with pytest.raises(UserError, match="of the patients who are tested in fold 0"):
        knowing.compute(filled)
    own = [clone_without(clone, tmp_path / str(k), ids) for k, ids in enumerate(knowing.left_out(filled))]
    found = bench_of(clone, vocabulary, tuple(own)).compute(filled)
    assert found["records"]["left_out_seen"] == [0, 0]


def clone_without(clone: Path, folder: Path, ids: list[str]) -> Path:
    """The data of a clone whose corpus has not these records."""
    shutil.copytree(clone / "data", folder)
    path = folder / "corpus/records/shard-000.parquet"
    kept = pl.read_parquet(path).filter(~pl.col("record_id").is_in(ids))
    kept.drop("signal").write_parquet(path)
    return folder


def test_too_few_cases_are_said_not_scored(clone, vocabulary, tmp_path):
    cells = chosen(clone, "rare")
    assert run(cells, bench_of(clone, vocabulary), tmp_path) == 1
    assert figures(cells[0], tmp_path)["metrics"] == {"left_out": "fewer than 5 real cases to train on or to test on"}
    assert "fewer than 5 real cases" in "\n".join(table(cells, PLAN, tmp_path, lambda cell: None))


def test_other_inputs_are_other_cells(clone, tmp_path):
    (cell,) = chosen(clone, "all", "synthetic")
    cell.write(tmp_path, {"metrics": {"auroc": 0.9, "auprc": 0.9, "f1": 0.9}, "records": {}, "seconds": {}})
    longer = PLAN.model_copy(update={"classifier": PLAN.classifier.model_copy(update={"steps": 31})})
    for other in (
        *chosen(clone, "all", "synthetic", plan=longer),
        *chosen(clone, "all", "synthetic", device={"d": "GPU"}),
    ):
        assert other.read(tmp_path) is None
        assert other.others(tmp_path) == [cell.path(tmp_path)]
        assert lines([other], PLAN, tmp_path, lambda cell: 1.5)[0].endswith("not run  about 1.5 min; 1 of other inputs")
    folder = clone / "data/synthesis/augmentation"
    manifest(folder, "another")
    try:
        assert chosen(clone, "all", "synthetic")[0].read(tmp_path) is None
    finally:
        manifest(folder, "synthesis/augmentation")
    assert chosen(clone, "all", "synthetic")[0].read(tmp_path)
    assert cost(cell, [{"step": 2.0, "rest": 30.0}]) == pytest.approx((2 * 30 + 30) / 60)
    assert cost(cell, []) is None


def test_before_the_pipeline_ran_it_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="corpus is missing: `sediff run`"):
        chosen(tmp_path, "all")


def test_the_verb_runs_lists_and_compares(tmp_path):
    root = clone_at(tmp_path / "clone")
    shutil.copy(ROOT / "params.yaml", root)
    set_params(root / "params.yaml", ["reproducibility.threads=1"])  # threads that wait for each other spin
    wanted = ["study", "--study", "superclasses", "--arm", "real", "--steps", "2", "--seed", "3"]
    asked = [wanted, [*wanted, "--list", "--table", "--seed", "4"]]
    program = f"from sediff.cli import app\nfor words in {asked}: app(words, standalone_mode=False)"  # loads torch once
    result = command(root, sys.executable, "-c", program)
    assert result.returncode == 0, result.stderr
    assert len(list((root / "reports/study").glob("superclasses-real-3-*.json"))) == 1
    assert "1 of 2 done, about" in result.stdout
    assert "core   superclasses, real, seed 4             not run  about" in result.stdout
    assert "| real | 1, 1 not run | 100 | 0 |" in result.stdout
    tables = {table.title: table for table in tables_of((root / "reports/tables/study.md").read_text())}
    (own,) = (row for row in tables["superclasses"].rows if row[0] == "real")
    assert own[1].startswith("1, ") and own[2] == "100", "the report shows what was computed among all that is declared"
    assert len(tables) > 3


def test_depth_one_is_the_stages_network():
    def parameters(depth: int) -> int:
        return sum(weight.numel() for weight in deep_classifier(2, 8, depth).parameters())

    torch.manual_seed(0)
    network = deep_classifier(2, 8, 3)
    assert network(torch.zeros(4, 8, 1000)).shape == (4, 2)
    assert parameters(3) - parameters(2) == parameters(2) - parameters(1) > 0
