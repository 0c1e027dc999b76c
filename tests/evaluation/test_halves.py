"""Comparisons of three aligned sets, on values whose distances and means are known."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from sediff.evaluation.beats import means_by_stratum
from sediff.evaluation.dispersion import dispersion_distances
from sediff.evaluation.evaluate import unsaid, without_notes
from sediff.evaluation.halves import compare_means, distances_in_halves, over_floor, pooled_over_floor
from sediff.evaluation.strata import stratum_of

PATIENTS = np.array([f"p{i:04d}" for i in range(800)])


def sets(shift: float, seed: int = 0, count: int = 800) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    real = rng.normal(1, 0.1, count)
    return {"synthetic": rng.normal(1 + shift, 0.1, count), "reconstructed": real + 1e-4, "real": real}


def test_a_shift_is_its_wasserstein_distance_and_real_is_the_floor():
    found = distances_in_halves(sets(0.5), PATIENTS.tolist(), wasserstein_distance, 20, np.random.default_rng(0))
    values = over_floor(found)
    assert values["synthetic"]["median"] == pytest.approx(0.5, abs=0.02)
    assert values["over_floor"]["synthetic"] == pytest.approx(0.5 / np.mean(found["real"]), rel=0.05)
    assert values["over_floor"]["reconstructed"] == pytest.approx(1, abs=0.02)


def test_the_same_distribution_reaches_the_floor():
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = distances_in_halves(sets(0, seed), PATIENTS.tolist(), wasserstein_distance, 20, rng)
        ratios.append(over_floor(found)["over_floor"]["synthetic"])
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_pooled_distances_weigh_strata_by_their_records_and_few_records_give_none():
    strata = np.array(["sinus"] * 600 + ["fibrillation"] * 190 + ["ectopy"] * 10)
    values = sets(0)
    values["synthetic"] = values["real"] + np.where(strata == "sinus", 0.3, 0.6)
    values["synthetic"][0] = np.nan
    found = dispersion_distances(values, strata, PATIENTS, 20, np.random.default_rng(0))
    assert found["sinus"]["records"] == 599 and found["fibrillation"]["records"] == 190
    floor = (599 * found["sinus"]["real"]["median"] + 190 * found["fibrillation"]["real"]["median"]) / 789
    expected = (599 * 0.3 + 190 * 0.6) / 789 / floor
    assert found["pooled"]["over_floor"]["synthetic"]["mean"] == pytest.approx(expected, rel=0.1)
    assert found["left_out"].keys() == {"bradycardia", "tachycardia", "ectopy"}
    assert "ectopy" not in found


def test_a_floor_of_zero_gives_no_ratio_and_says_so():
    found = over_floor({"synthetic": [1.0, 2.0], "real": [0.0, 0.0]})
    assert found["over_floor"] == {"synthetic": None, "left_out": "the floor is zero"}
    drawn = {"sinus": {"synthetic": np.ones(2), "real": np.zeros(2)}}
    assert pooled_over_floor(drawn, {"sinus": 1}) == found["over_floor"]


def test_means_differ_by_what_was_planted_within_the_interval():
    values = sets(0.05)
    found = compare_means(values, PATIENTS, 200, np.random.default_rng(0))
    assert found["difference"]["synthetic"]["low"] < 0.05 < found["difference"]["synthetic"]["high"]
    assert found["difference"]["synthetic"]["high"] < 0.07
    assert found["over_real"]["synthetic"] == pytest.approx(1.05, abs=0.01)
    assert found["real_halves"] < 0.02
    signed = compare_means({name: of - 1 for name, of in values.items()}, PATIENTS, 5, np.random.default_rng(0))
    assert signed["over_real"] is None, "of what may be negative there is no share"


def test_records_of_one_patient_widen_the_interval():
    values = sets(0)
    values["synthetic"] = values["real"] + np.repeat(np.random.default_rng(1).normal(size=8), 100)
    alone = compare_means(values, PATIENTS, 200, np.random.default_rng(0))["difference"]["synthetic"]
    few = np.repeat(PATIENTS[:8], 100)
    together = compare_means(values, few, 200, np.random.default_rng(0))["difference"]["synthetic"]
    assert together["high"] - together["low"] > 3 * (alone["high"] - alone["low"])


def test_strata_with_few_numbers_are_left_out():
    strata = np.array(["sinus"] * 700 + ["tachycardia"] * 100)
    values = sets(0.1)
    values["real"][700:790] = np.nan
    found = means_by_stratum(values, strata, PATIENTS, 5, np.random.default_rng(0))
    assert found["sinus"]["records"] == 700
    assert found["tachycardia"].keys() == {"left_out"}


@pytest.mark.parametrize(
    ("statements", "stratum"),
    [
        (["NORM", "SR"], "sinus"),
        (["SBRAD"], "bradycardia"),
        (["STACH", "LVH"], "tachycardia"),
        (["SVTAC"], "tachycardia"),
        (["AFIB", "PVC"], "fibrillation"),
        (["SR", "PVC"], "ectopy"),
        (["PAC"], "ectopy"),
        (["SARRH"], "other"),
        (["PACE"], "other"),
    ],
)
def test_strata(statements, stratum):
    assert stratum_of(statements) == stratum


def test_notes_are_named_by_their_key_and_what_is_left_out_is_null():
    found = {"a": {"x": 1, "left_out": {"y": "few"}}, "b": {"left_out": "none"}, "c": {}, "d": 2}
    metrics, notes = without_notes(found)
    assert metrics == {"a": {"x": 1, "y": None}, "b": None, "c": {}, "d": 2}
    assert notes == ["a.y: few", "b: none"]


def test_what_is_null_or_not_finite_without_a_note_gets_one():
    metrics = {"a": {"x": None, "y": float("nan"), "z": 1.0}, "b": {"c": {"x": None}}, "d": float("inf")}
    assert unsaid(metrics, ["b.c: few"]) == [
        "a.x: the records do not tell it",
        "a.y: not a finite number",
        "d: not a finite number",
    ]
    assert unsaid(metrics, ["a: few", "b: few", "d: few"]) == []
