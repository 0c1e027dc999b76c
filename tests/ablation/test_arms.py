"""The declared arms, and the table that compares them."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from sediff.ablation.arms import DECLARED, Plan
from sediff.ablation.cell import Cell
from sediff.ablation.queue import cost, lines, paces_of
from sediff.ablation.table import table
from sediff.cells.differences import paired
from sediff.diffusion.physics_forms import FORMS
from sediff.errors import UserError
from sediff.params import Params

ROOT = Path(__file__).parents[2]
PARAMS = Params.load(ROOT / "params.yaml")
PLAN = Plan.load()


def test_the_declared_arms_are_valid_and_differ_in_what_they_say():
    sections = {arm: PLAN.params(PARAMS, arm).diffusion for arm in PLAN.arms}
    assert {of.steps for of in sections.values()} == {PLAN.steps}
    assert {sections[form].physics.form for form in FORMS} == set(FORMS)
    assert not sections["no-rhythm"].denoiser.rhythm
    assert [arm for arm, of in sections.items() if of.denoiser.morphology] == ["two-stage"]
    assert sections["no-interlead"].physics.interlead == 0 < sections["paper"].physics.interlead
    assert PLAN.arms["no-text"].withheld == ("text",)
    none = sections["none"]
    for arm, of in sections.items():
        assert of == none or arm not in ("no-experience", "no-text"), "they differ in the conditions alone"


def test_the_core_comes_first_and_its_arms_take_turns():
    cells = PLAN.chosen([], [])
    core = [(arm, seed) for seed in range(5) for arm in PLAN.core]
    assert cells[: len(core)] == core
    assert len(set(cells)) == len(cells)
    assert {arm for arm, _ in cells} == set(PLAN.arms)
    assert PLAN.chosen(["hinge", "none"], [7]) == [("none", 7), ("hinge", 7)]
    with pytest.raises(UserError, match="There is no arm papers: the arms are none, paper"):
        PLAN.chosen(["papers"], [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"core": ["nothing"]}, "arm nothing is not declared"),
        ({"arms": {"none": {"params": {"autoencoder.width": 8}}}, "core": []}, "autoencoder.width is shared"),
        ({"steps": 0}, "greater than or equal to 1"),
    ],
)
def test_a_plan_that_cannot_be_is_one_sentence(tmp_path, change, message):
    path = tmp_path / "arms.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(DECLARED.read_text()) | change))
    with pytest.raises(UserError, match=message):
        Plan.load(path)


def test_a_parameter_that_is_not_there_is_named():
    plan = PLAN.model_validate(
        PLAN.model_dump() | {"arms": {"none": {"params": {"diffusion.physic.form": 1}}}, "core": []}
    )
    with pytest.raises(UserError, match=r"sets diffusion\.physic\.form"):
        plan.params(PARAMS, "none")


def cell(arm: str, seed: int, code: str = "a") -> Cell:
    params = PLAN.params(PARAMS, arm)
    training = {
        "parameters": params.diffusion.model_dump(),
        "code": code,
        "device": {"device": "CPU"},
        "seed": seed,
    }
    return Cell(arm, seed, params, training, {"samples": 100})


def write(folder: Path, of: Cell, kid: float, step: float = 0.1) -> None:
    metrics = {
        "records": 100,
        "records_compared": 50,
        "kid": kid,
        "kid_floor": 0.01,
        "fd": 20 * kid,
        "fd_floor": 2.0,
        "rhythm_over_floor": 2 + kid,
        "heart_rate": {"mae_bpm": 3.0},
        "deviation": {"I": 0.9, "II": 1.1},
    }
    seconds = {"step": step, "sampling": 30.0, "measuring": 10.0}
    of.write(folder, {"metrics": metrics, "final": {}, "seconds": seconds})


def test_differences_are_paired_by_seed(tmp_path):
    differences = [-0.5, -0.3, -0.4]
    cells = []
    for seed, (base, difference) in enumerate(zip([1.0, 9.0, 5.0], differences, strict=True)):
        cells += [cell("none", seed), cell("paper", seed)]
        write(tmp_path, cells[-2], base)
        write(tmp_path, cells[-1], base + difference, step=0.11)
    cells += [cell("hinge", 0), cell("hinge", 1), cell("record", 0), cell("record", 1)]
    write(tmp_path, cells[-4], 1.25)
    text = "\n".join(table(cells, PLAN, tmp_path, lambda cell: 2.0))
    mean, half = paired(differences)
    assert (mean, half) == pytest.approx((-0.4, 4.3027 * 0.1 / 3**0.5), rel=1e-4)
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert f"{mean:+.3g} ({mean - half:+.3g} to {mean + half:+.3g}, 3 seeds)" in rows["paper"]
    assert "| 110, 1.10 |" in rows["paper"]
    assert "+0.25 (one seed)" in rows["hinge"]
    assert "| – |" in rows["none"]
    assert "| 1, 1 not run |" in rows["hinge"]
    assert rows["record"].startswith("| record | 2 not run: about 4.0 min | – |")
    assert "no-text" not in rows, "nobody asked for it"
    assert "equal samples" in text
    header = next(line for line in text.splitlines() if line.startswith("| arm"))
    assert {row.count("|") for row in rows.values()} == {header.count("|")}


def test_a_cell_of_other_inputs_is_not_the_cell(tmp_path):
    old, new = cell("none", 0, "a"), cell("none", 0, "b")
    write(tmp_path, old, 1.0)
    assert old.read(tmp_path)["fingerprint"] == old.fingerprint
    assert new.read(tmp_path) is None
    first, last = lines([new], PLAN.core, tmp_path, paces_of(tmp_path, {"device": "CPU"}))
    minutes = (0.1 * PLAN.steps + 30 + 10) / 60
    assert first == f"core   {'none, seed 0':<24} not run  about {minutes:.1f} min; 1 of other inputs"
    assert last == f"0 of 1 done, about {minutes:.0f} min left"
    assert lines([old], PLAN.core, tmp_path, [])[0].endswith("done     KID 1, rhythm × floor 3.00, FD 20")
    assert paces_of(tmp_path, {"device": "GPU"}) == []
    assert cost(new, []) is None


def test_what_a_cell_rests_on_stands_in_its_file(tmp_path):
    of = cell("paper", 3)
    write(tmp_path, of, np.float64(1.0))
    content = json.loads(of.path(tmp_path).read_text())
    assert content["training"] == of.training
    assert content["measuring"] == of.measuring
    assert (content["arm"], content["seed"], content["fingerprint"]) == ("paper", 3, of.fingerprint)
