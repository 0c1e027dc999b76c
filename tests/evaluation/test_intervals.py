"""Quantities of the dominant beat, and effects, on values that are known."""

import numpy as np
import pytest

from sediff.evaluation.effects import effect, slope
from sediff.evaluation.intervals import beat_distance, lead_wasserstein, unrolled

RNG = np.random.default_rng(0)
PATIENTS = np.array([f"p{i}" for i in range(600)])


def test_wasserstein_over_leads_is_the_mean_shift():
    a = RNG.normal(size=(300, 12))
    assert lead_wasserstein(a + np.arange(12), a) == pytest.approx(5.5)
    assert lead_wasserstein(a[:, 0] + 2, a[:, 0]) == pytest.approx(2)


def test_angles_beside_the_cut_of_atan2_are_near():
    near = unrolled(np.array([179.0, -179.0, 45.0, -134.0, -136.0]))
    assert abs(near[0] - near[1]) == pytest.approx(2)
    assert near[2] == 45
    assert near[3] == -134 and near[4] == 224


def test_beats_differ_by_what_was_added():
    beats = RNG.normal(size=(50, 8, 60))
    moved = beats.copy()
    moved[:, 0] += 0.4
    assert beat_distance(moved, beats) == pytest.approx(0.4 / np.sqrt(8))
    assert beat_distance(beats[::-1], beats) == pytest.approx(0, abs=1e-12)


def effects(gain: float, noise: float = 20.0, count: int = 600) -> tuple[dict, dict]:
    """x and y of three sets: y rises by 150 with x in real records, by `gain` times that in synthetic ones."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0.6, 1.2, count)
    y = {name: 150 * of * x + 250 + rng.normal(0, noise, count) for name, of in (("synthetic", gain), ("real", 1.0))}
    return {"synthetic": x, "reconstructed": x, "real": x}, {**y, "reconstructed": y["real"]}


def test_a_planted_slope_is_found_within_its_interval():
    everyone = np.ones(600, bool)
    found = effect(*effects(0.5), everyone, PATIENTS, 200, np.random.default_rng(0))
    assert found["records"] == 600
    assert found["real"]["low"] < 150 < found["real"]["high"]
    assert found["synthetic"]["low"] < 75 < found["synthetic"]["high"]
    assert found["over_real"] == pytest.approx({"synthetic": 0.5, "reconstructed": 1}, abs=0.05)
    nothing = effect(*effects(0.5, noise=1e5), everyone, PATIENTS, 200, np.random.default_rng(0))
    assert "over_real" not in nothing, "there is no share of an effect that may be none"


def test_the_slope_on_a_sex_is_the_difference_of_means():
    women = np.array([1.0, 1, 0, 0, 0])
    values = np.array([12.0, 14, 2, 3, 4])
    assert slope(women, values) == pytest.approx(13 - 3)
    assert np.isnan(slope(np.ones(4), np.arange(4.0)))


def test_too_few_on_one_side_give_no_effect():
    x, y = effects(1)
    few = np.where(np.arange(600) < 19, 1.0, 0.0)
    arguments = (np.ones(600, bool), PATIENTS, 5, np.random.default_rng(0))
    assert effect(dict.fromkeys(x, few), y, *arguments).keys() == {"left_out"}
    assert effect(dict.fromkeys(x, np.ones(600)), y, *arguments).keys() == {"left_out"}
    enough = np.where(np.arange(600) < 20, 1.0, 0.0)
    assert "real" in effect(dict.fromkeys(x, enough), y, *arguments)
