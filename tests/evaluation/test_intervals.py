"""Quantities of the dominant beat, and effects, on values that are known."""

import numpy as np
import pytest

from sediff.ecg import INDEPENDENT_LEADS, LEADS
from sediff.evaluation.beats import means
from sediff.evaluation.effects import effect, slope
from sediff.evaluation.intervals import beat_distance, compare_beats, compare_leads, compared, unrolled
from sediff.evaluation.strata import FEW_PATIENTS

RNG = np.random.default_rng(0)
PATIENTS = np.array([f"p{i}" for i in range(600)])


def test_what_is_planted_in_a_lead_is_found_in_it():
    a = RNG.normal(size=(300, 12))
    assert compared(a, a) == pytest.approx(np.array([[0.0], [1], [0]]) + np.zeros(12))
    moved = compared(a + np.arange(12), a)
    assert moved[0] == pytest.approx(np.arange(12)), "Wasserstein-1 of a shift is the shift"
    assert moved[2] == pytest.approx(np.arange(12))
    assert compared(3 * a, a)[1] == pytest.approx(np.full(12, 3))
    assert np.isnan(compared(a, np.zeros((5, 12)))[1]).all(), "of no spread there is no share"


def sets_with(lead: str, shift: float, scale: float) -> dict[str, np.ndarray]:
    """Of three sets 600 values in each of twelve leads, one of which is another in synthetic records."""
    found = {name: RNG.normal(size=(600, 12)) for name in ("synthetic", "reconstructed", "real")}
    column = found["synthetic"][:, LEADS.index(lead)]
    column[:] = scale * column + shift
    return found


def test_a_fault_of_one_lead_shows_in_that_lead_alone():
    values = sets_with("V3", shift=1.0, scale=2.0)
    found = compare_leads(values, PATIENTS.tolist(), 20, np.random.default_rng(0))
    assert list(found["by_lead"]) == list(INDEPENDENT_LEADS)
    v3 = found["by_lead"]["V3"]
    assert v3["deviation_ratio"]["synthetic"] == pytest.approx(2, rel=0.1)
    assert v3["median_difference"]["synthetic"] == pytest.approx(1, abs=0.25)
    assert v3["wasserstein"]["synthetic"] > 5 * v3["wasserstein"]["real"]
    for lead in (lead for lead in INDEPENDENT_LEADS if lead != "V3"):
        of_lead = found["by_lead"][lead]
        assert of_lead["wasserstein"]["synthetic"] == pytest.approx(of_lead["wasserstein"]["real"], rel=0.6)
        for key, alike in (("deviation_ratio", 1), ("median_difference", 0)):
            assert of_lead[key]["synthetic"] == pytest.approx(alike, abs=0.2)
    assert found["deviation_ratio"]["synthetic"] == pytest.approx(1 + 1 / 12, abs=0.02), "the mean over twelve leads"


def test_halves_of_the_real_records_say_how_far_chance_alone_goes():
    """The difference of two medians of 300 normal numbers has a deviation of 1.253 √(2 / 300), and so this mean."""
    values = sets_with("V3", shift=0.0, scale=1.0)
    found = compare_leads(values, PATIENTS.tolist(), 200, np.random.default_rng(0))["by_lead"]
    expected = 1.2533 * np.sqrt(2 / 300) * np.sqrt(2 / np.pi)
    floors = [of_lead["median_difference"]["real_halves"] for of_lead in found.values()]
    assert np.mean(floors) == pytest.approx(expected, rel=0.2)


def test_a_quantity_of_no_lead_has_none():
    values = {name: of[:, 0] for name, of in sets_with("I", shift=3.0, scale=1.0).items()}
    found = compare_leads(values, PATIENTS.tolist(), 20, np.random.default_rng(0))
    assert "by_lead" not in found
    assert found["median_difference"]["synthetic"] == pytest.approx(3, abs=0.2)
    assert found["synthetic"]["low"] > 2.5 and found["over_floor"]["synthetic"] > 5


def test_real_records_that_are_all_the_same_have_the_keys_of_others_and_notes_in_their_place():
    still = {name: np.ones((600, 12)) for name in ("synthetic", "reconstructed", "real")}
    moving = {name: RNG.normal(size=(600, 12)) for name in still}
    found, other = (compare_leads(of, PATIENTS.tolist(), 20, np.random.default_rng(0)) for of in (still, moving))
    assert found.keys() == other.keys() and found["by_lead"]["I"].keys() == other["by_lead"]["I"].keys()
    assert found["deviation_ratio"].keys() == found["by_lead"]["I"]["deviation_ratio"].keys() == {"left_out"}
    assert found["median_difference"] == {"synthetic": 0, "reconstructed": 0, "real_halves": 0}
    assert found["over_floor"] == {"synthetic": None, "reconstructed": None, "left_out": "the floor is zero"}


def test_many_records_of_one_patient_have_no_halves():
    values = {name: RNG.normal(size=20) for name in ("synthetic", "reconstructed", "real")}
    assert compare_leads(values, ["p"] * 20, 5, np.random.default_rng(0)) == {"left_out": FEW_PATIENTS}
    beats = {name: RNG.normal(size=(20, 8, 60)) for name in values}
    assert compare_beats(beats, ["p"] * 20, 5, np.random.default_rng(0)) == {"left_out": FEW_PATIENTS}
    assert means(values, np.ones(20, bool), np.full(20, "p"), 5, np.random.default_rng(0)) == {"left_out": FEW_PATIENTS}


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
    ratio = found["over_real"]["synthetic"]
    assert ratio["ratio"] == pytest.approx(0.5, abs=0.05)
    assert ratio["low"] < 0.5 < ratio["high"] < 1
    itself = found["over_real"]["reconstructed"]
    assert itself["low"] == itself["ratio"] == itself["high"] == 1
    nothing = effect(*effects(0.5, noise=1e5), everyone, PATIENTS, 200, np.random.default_rng(0))
    assert nothing["over_real"].keys() == {"left_out"}, "there is no share of an effect that may be none"


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
