"""`sediff ablate` in a clone whose pipeline ran: a queue of two arms at two seeds, killed and gone on with."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from sediff.ablation.arms import Arm, Plan
from sediff.ablation.cell import Cell, cells_of
from sediff.ablation.compute import TRAINED, Bench
from sediff.ablation.queue import run
from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.params import Params, set_params
from sediff.training import checkpoint
from tests.pipeline.clone import MAIN, command, sediff

FORM = "diffusion.physics.form"
WEIGHTLESS = {FORM: "paper", "diffusion.physics.euler": 0.0, "diffusion.physics.interlead": 0.0}
PLAN = Plan(
    steps=4,
    samples=40,
    split="test",
    core=("none", "weightless"),
    core_seeds=(0, 1),
    seeds=(0,),
    common={"diffusion.denoiser.morphology": False},
    arms={
        "none": Arm(params={FORM: "none"}),
        "weightless": Arm(params=WEIGHTLESS),
        "paper": Arm(params={FORM: "paper", "diffusion.physics.euler": 1.0, "diffusion.physics.every": 1}),
        "blind": Arm(params={FORM: "none", "diffusion.denoiser.rhythm": False}, withheld=("text", "experience")),
    },
)
DEVICE = {"device": "CPU"}


@pytest.fixture(scope="module")
def clone(project, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ablated") / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    return folder


@pytest.fixture(scope="module")
def bench(clone, vocabulary) -> Bench:
    work = clone.joinpath(".sediff", "work", "ablation")
    work.mkdir(parents=True)
    params = Params.load(clone / "params.yaml")
    return Bench(clone / "data", work, PLAN, params, vocabulary, torch.device("cpu"), EmbeddingAccess())


@pytest.fixture(scope="module")
def cells(clone, bench) -> list[Cell]:
    """All cells of the plan, computed."""
    found = cells_of(clone, PLAN, bench.params, DEVICE, [], [])
    assert run(found, bench, clone / "cells") == len(found) == 6
    return found


def weights(bench: Bench, cell: Cell) -> bytes:
    return (bench.work / cell.trained[:16] / "denoiser.safetensors").read_bytes()


def metrics(clone: Path, cell: Cell) -> dict:
    content = cell.read(clone / "cells")
    assert content, cell.name
    return content["metrics"]


def test_a_finished_cell_stays_and_a_missing_one_is_run_again(clone, bench, cells):
    folder = clone / "cells"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == len(cells)
    gone = cells[2].path(folder)
    figures = metrics(clone, cells[2])
    gone.unlink()
    shutil.rmtree(bench.work / cells[2].trained[:16])
    assert run(cells, bench, folder) == 1
    after = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {path for path in after if after[path] != before[path]} == {gone}
    assert metrics(clone, cells[2]) == figures, "the same figures from nothing"
    assert run(cells, bench, folder) == 0


def test_without_weight_the_papers_form_is_none_to_the_last_bit(clone, bench, cells):
    by_name = {(cell.arm, cell.seed): cell for cell in cells}
    for seed in (0, 1):
        none, weightless = by_name["none", seed], by_name["weightless", seed]
        assert none.trained != weightless.trained
        assert weights(bench, none) == weights(bench, weightless)
        assert metrics(clone, none) == metrics(clone, weightless)
    assert weights(bench, by_name["none", 0]) != weights(bench, by_name["none", 1])
    assert weights(bench, by_name["none", 0]) != weights(bench, by_name["paper", 0])
    assert weights(bench, by_name["none", 0]) != weights(bench, by_name["blind", 0])


def test_a_training_that_was_cut_goes_on_to_the_same_weights(clone, bench, cells):
    cell = cells[0]
    whole, folder = weights(bench, cell), bench.work / cell.trained[:16]
    shutil.rmtree(folder)
    folder.mkdir()
    runtime = bench.params.runtime.model_copy(update={"checkpoint_every": 2})
    params = bench.params.model_copy(update={"runtime": runtime})
    often = Bench(bench.data, bench.work, PLAN, params, bench.vocabulary, bench.device, bench.access)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sediff.training.checkpoint.save", cut_after(3))
        with pytest.raises(KeyboardInterrupt):
            often.compute(cell)
    assert (folder / "denoiser.pt").exists()
    assert not (folder / TRAINED).exists()
    often.compute(cell)
    assert weights(bench, cell) == whole
    assert not (folder / "denoiser.pt").exists()


def cut_after(step: int):
    """A checkpoint's `save` that is interrupted where more steps than these are done."""
    save = checkpoint.save

    def cut(path: Path, state: checkpoint.State, identity: Mapping[str, Any]) -> None:
        if state.step > step:
            raise KeyboardInterrupt
        save(path, state, identity)

    return cut


def test_other_inputs_are_other_cells(clone, bench, cells):
    longer = PLAN.model_copy(update={"steps": 5})
    more = PLAN.model_copy(update={"samples": 41})
    found = cells_of(clone, PLAN, bench.params, {"device": "GPU"}, [], [])
    assert not any(cell.path(clone / "cells").exists() for cell in found)
    for plan, same in ((longer, False), (more, True)):
        other = cells_of(clone, plan, bench.params, DEVICE, ["none"], [0])[0]
        assert other.read(clone / "cells") is None
        assert (other.trained == cells[0].trained) == same, "more samples need no other denoiser"
    judge = clone / "data/encoder/judges/manifest.json"
    before = judge.read_text()
    judge.write_text(before.replace('"fingerprint": "', '"fingerprint": "0'))
    assert cells_of(clone, PLAN, bench.params, DEVICE, ["none"], [0])[0].read(clone / "cells") is None
    judge.write_text(before)
    assert cells_of(clone, PLAN, bench.params, DEVICE, ["none"], [0])[0].read(clone / "cells")


def test_the_verb_lists_runs_and_compares(clone):
    wanted = ("--arm", "none", "--arm", "derivative", "--steps", "3", "--samples", "30", "--seed", "3")
    set_params(clone / "params.yaml", ["reproducibility.threads=1"])  # threads that wait for each other spin
    sediff(clone, "ablate", *wanted)
    assert len(list((clone / "reports/ablation").glob("*-3-*.json"))) == 2
    said = sediff(clone, "ablate", "--list", "--table", *wanted, "--seed", "4")
    assert "2 of 4 done" in said
    assert "none, seed 4             not run  about" in said
    assert "| derivative | 1, 1 not run |" in said
    written = (clone / "reports/tables/ablation.md").read_text()
    assert "| derivative | 1, " in written, "for the report"


def test_before_the_pipeline_ran_it_is_one_sentence(clone, bench, tmp_path):
    with pytest.raises(UserError, match="data/corpus is missing: `sediff run`"):
        cells_of(tmp_path, PLAN, bench.params, DEVICE, [], [])
    (clone / "data/autoencoder").rename(clone / "data/moved")
    result = command(clone, sys.executable, "-c", MAIN, "ablate", "--list")
    (clone / "data/moved").rename(clone / "data/autoencoder")
    assert result.returncode == 1
    assert "sediff: error: data/autoencoder is missing" in result.stderr
    assert "Traceback" not in result.stderr
