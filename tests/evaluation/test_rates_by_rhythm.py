"""Heart-rate errors by rhythm, whose size is planted."""

import numpy as np
import pytest

from sediff.evaluation.rhythm import rate_errors
from sediff.evaluation.strata import MIN_RECORDS

COUNT = 400
PATIENTS = np.repeat([f"p{i}" for i in range(COUNT // 2)], 2)
EVERYBODY = np.ones(COUNT, bool)


def errors(among: np.ndarray = EVERYBODY, lost: int = 0) -> dict:
    """A generator whose error is 4 bpm on average among the first half and 1 among the others."""
    rng = np.random.default_rng(0)
    made = rng.exponential(np.where(np.arange(COUNT) < COUNT // 2, 4.0, 1.0))
    made[:lost] = np.nan
    return rate_errors({"synthetic": made, "real": np.zeros(COUNT)}, among, PATIENTS, 200, rng)


def test_the_planted_error_of_a_rhythm_lies_in_its_interval():
    half = np.arange(COUNT) < COUNT // 2
    for among, planted in ((half, 4.0), (~half, 1.0), (EVERYBODY, 2.5)):
        found = errors(among)
        assert found["records"] == among.sum()
        assert found["synthetic"]["low"] < planted < found["synthetic"]["high"]
        assert found["real"] == {"mae_bpm": 0, "low": 0, "median": 0, "high": 0, "detector_failures": 0}


def test_the_interval_is_over_patients_and_not_over_their_records():
    """Each patient's two records have one error: its interval is √2 wider than that of as many independent ones."""
    rng = np.random.default_rng(1)
    alike = np.repeat(rng.exponential(2.0, COUNT // 2), 2)
    widths = []
    for patients in (PATIENTS, np.arange(COUNT).astype(str)):
        found = rate_errors({"real": alike}, EVERYBODY, patients, 2000, np.random.default_rng(2))["real"]
        widths.append(found["high"] - found["low"])
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(2), rel=0.1)


def test_records_without_a_rate_are_counted_and_leave_the_mean_alone():
    found = errors(lost=30)
    assert (found["synthetic"]["detector_failures"], found["real"]["detector_failures"]) == (30, 0)
    assert np.isfinite(found["synthetic"]["mae_bpm"])


def test_too_few_records_with_a_rate_give_no_error():
    assert errors(np.arange(COUNT) < MIN_RECORDS - 1).keys() == {"left_out"}
    assert errors(np.arange(COUNT) < MIN_RECORDS + 5, lost=6).keys() == {"left_out"}
