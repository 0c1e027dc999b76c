"""Logits of what was asked for, on shifts that are known."""

import numpy as np
import pytest

from sediff.evaluation.sureness import logit_distances

RECORDS = 3000
PATIENTS = np.array([f"p{i:04d}" for i in range(RECORDS)])
CODES = ("OFTEN", "SELDOM", "ONE_PATIENT")
DEVIATION = 3.0  # of the real records' logits


def truth() -> np.ndarray:
    return np.stack([np.arange(RECORDS) < 1500, np.arange(RECORDS) >= 2700, np.arange(RECORDS) < 30], 1)


def found(shift: float, scale: float = 1.0, seed: int = 0) -> dict:
    """With synthetic logits drawn apart from the real ones, `shift` deviations higher and `scale` times as wide."""
    rng = np.random.default_rng(seed)
    real, other = (rng.normal(size=(RECORDS, 3)) for _ in range(2))
    sets = {"synthetic": other * scale + shift, "reconstructed": real, "real": real}
    patients = np.where(np.arange(RECORDS) < 30, "p0000", PATIENTS)
    logits = {name: DEVIATION * of_set - 5 for name, of_set in sets.items()}
    return logit_distances(truth(), logits, CODES, patients, 20, 20, np.random.default_rng(seed))


@pytest.mark.parametrize("shift", [1.5, -1.5])
def test_a_shift_is_found_in_deviations_of_the_real_logits_with_its_sign(shift):
    """More than real is exaggeration: positive."""
    values = found(shift)
    for code, tolerance in (("OFTEN", 0.15), ("SELDOM", 0.3)):
        assert values[code]["shift"]["synthetic"]["mean"] == pytest.approx(shift, abs=tolerance)
        assert values[code]["wasserstein"]["synthetic"]["median"] == pytest.approx(1.5, abs=tolerance)
        assert values[code]["shift"]["reconstructed"]["mean"] == 0
        assert values[code]["real_halves"] < 0.3
    assert values["pooled"]["shift"]["synthetic"]["mean"] == pytest.approx(shift, abs=0.1)
    assert values["pooled"]["over_floor"]["synthetic"]["low"] > 5


def test_the_pool_weighs_each_statement_by_its_records():
    values = found(0.5)
    by_records = [values[code]["records"] for code in ("OFTEN", "SELDOM")]
    means = [values[code]["shift"]["synthetic"]["mean"] for code in ("OFTEN", "SELDOM")]
    assert by_records == [1500, 300]
    assert values["pooled"]["shift"]["synthetic"]["mean"] == pytest.approx(np.average(means, weights=by_records))


def test_the_same_distribution_reaches_the_floor():
    ratios = [found(0, seed=seed)["OFTEN"]["wasserstein"]["over_floor"]["synthetic"] for seed in range(10)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.25)


def test_a_wider_distribution_is_far_although_its_mean_is_right():
    values = found(0, scale=2)["OFTEN"]
    assert abs(values["shift"]["synthetic"]["mean"]) < 0.2
    assert values["wasserstein"]["over_floor"]["synthetic"] > 5


def test_many_records_of_few_patients_are_too_few_and_that_is_said():
    values = found(0)
    assert values["ONE_PATIENT"] is None
    assert values["left_out"] == "fewer than 20 patients with ONE_PATIENT"
