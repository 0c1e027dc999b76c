import numpy as np
import pytest

from benchmarks.targets import TARGETS, lines
from sediff.evaluation.diversity import diversity


def row(metrics: dict, name: str) -> list[str]:
    (line,) = (line for line in lines(metrics) if name in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def rates(error: float) -> dict:
    one = {"mae_sinus_bpm": error, "detector_failures": 0}
    return {"evaluation": {"heart_rate": {**one, "real": one, "reconstructed": {**one, "mae_sinus_bpm": 0.1}}}}


@pytest.mark.parametrize(("error", "met"), [(0.8, 3), (0.81, 2), (1.5, 2), (3.9, 1), (4.1, 0)])
def test_a_target_is_met_up_to_its_bound(error, met):
    cells = row(rates(error), "heart rate")
    assert cells[1:4] == [f"{error:.3g}", f"{error:.3g}", "0.1"]
    assert sum(cell.endswith(": met") for cell in cells) == met
    assert sum(cell.endswith(": not met") for cell in cells) == 3 - met


def test_what_was_not_measured_meets_nothing():
    assert len(list(lines({}))) == 2 + len(TARGETS)
    cells = row({}, "coverage")
    assert cells[1] == "not measured" and not any("met" in cell for cell in cells[2:])


def test_an_open_target_is_neither_met_nor_missed():
    arms = {arm: {"macro_auroc": value, "low": value, "high": value} for arm, value in (("real", 0.9), ("both", 0.9))}
    arms["synthetic"] = {"macro_auroc": 0.885, "low": 0.88, "high": 0.89}
    cells = row({"augmentation": {**arms, "real_records": 1000, "synthetic_records": 1000}}, "trained on synthetic")
    assert cells[1] == "0.015"
    assert cells[4:7] == ["open", "≤ 0.02: met", "≤ 0.01: not met"]


def test_diversity_is_the_evaluations_own_and_says_on_how_many_groups_it_rests():
    ratio = {"ratio": 0.88, "low": 0.7, "high": 1.1}
    found = {"conditions": 7, "over_real": ratio, "reconstructed": {**ratio, "ratio": 0.99}}
    cells = row({"evaluation": {"diversity": found}}, "diversity")
    assert cells[1:4] == ["0.88", "1", "0.99"]
    assert cells[4:7] == ["open", "0.85 to 1.15: met", "0.9 to 1.1: not met"]
    assert cells[7] == "7 groups of like conditions, 0.70 to 1.10"


def test_too_few_groups_for_diversity_are_said():
    found = diversity([np.ones((3, 2))] * 2, [np.ones((3, 2))] * 2, 10, np.random.default_rng(0))
    cells = row({"evaluation": {"diversity": found}}, "diversity")
    assert cells[1] == "not measured" and not any("met" in cell for cell in cells[2:])
    assert cells[7].startswith("too few: fewer than 5 conditions")


def test_diversity_within_conditions_stands_in_rows_of_its_own():
    ratio = {"over_real": {"ratio": 0.9, "low": 0.8, "high": 1.0}}
    judges = {judge: {"synthetic": ratio, "reconstructed": ratio} for judge in ("statement", "waveform")}
    notes = [
        line
        for line in lines({"diversity": {"conditions": 50, "records": 16, **judges}})
        if "50 conditions × 16" in line
    ]
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("metric", "at_more"),
    [
        ("fd", "21"),  # an excess of 10 over a floor of 1: half the floor at twice the number, 10.5 / 0.5
        ("kid", "22"),  # which has no bias: 11 / 0.5
    ],
)
def test_a_distance_is_a_larger_multiple_of_the_floor_at_more_records(metric, at_more):
    sets = ("synthetic", "reconstructed", "noise", "shuffled_leads")
    ratios = {name: {metric: {"median": 11.0}} for name in sets}
    found = {"synthetic": {metric: {"median": 11.0}}, "real": {"fd": {"median": 1.0}}, "kid_scale": 1.0}
    found |= {"over_floor": ratios, "records_compared": 1000}
    rows = [line for line in lines({"evaluation": {"distribution": found}}) if f"| {metric.upper()}, × floor" in line]
    assert [line.split("|")[2].strip() for line in rows] == ["11", at_more]
