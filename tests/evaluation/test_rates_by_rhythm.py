"""Heart-rate errors by rhythm, whose size is planted."""

import numpy as np
import pytest

from sediff.evaluation.beside import known_interval
from sediff.evaluation.rhythm import rate_errors, rates_by_rhythm
from sediff.evaluation.strata import FEW_PATIENTS, MIN_RECORDS
from sediff.report.gates import half_width

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
        assert found["real"] == {"mae_bpm": 0, "low": 0, "median": 0, "high": 0}


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
    assert found["detector_failures"] == {"synthetic": 30, "real": 0}
    assert np.isfinite(found["synthetic"]["mae_bpm"])


def test_too_few_records_with_a_rate_give_no_error():
    assert errors(np.arange(COUNT) < MIN_RECORDS - 1).keys() == {"left_out"}
    assert errors(np.arange(COUNT) < MIN_RECORDS + 5, lost=6).keys() == {"left_out"}


def test_the_interval_is_of_the_error_and_not_of_the_count_of_failures():
    metrics = {"evaluation": errors(lost=30)}
    assert half_width(metrics, "evaluation.synthetic.mae_bpm") > 0
    assert half_width(metrics, "evaluation.detector_failures.synthetic") == 0


def test_a_record_for_which_no_rate_was_asked_is_no_failure_of_the_detector():
    asked, measured = np.full(COUNT, 70.0), {"synthetic": np.full(COUNT, 71.0), "real": np.full(COUNT, 70.0)}
    asked[:50] = np.nan
    measured["synthetic"][40:60] = np.nan
    strata = np.array(["sinus", "tachycardia"])[np.arange(COUNT) % 2]
    found = rates_by_rhythm(asked, measured, strata, PATIENTS, 20, np.random.default_rng(0))
    assert found["all"]["records"] == COUNT - 50
    assert found["all"]["detector_failures"] == {"synthetic": 10, "real": 0}
    assert found["tachycardia"]["detector_failures"]["synthetic"] == 5
    assert found["fibrillation"] == {"left_out": FEW_PATIENTS}


def test_many_records_of_few_patients_give_no_error_and_draws_without_a_rate_no_interval_without_ends():
    few = np.repeat([f"p{i}" for i in range(MIN_RECORDS - 1)], 20)
    made = np.ones(len(few))
    assert rate_errors({"real": made}, made > 0, few, 20, np.random.default_rng(0)) == {"left_out": FEW_PATIENTS}
    assert known_interval([np.nan, 1.0, 3.0]) == {"median": 2, "low": pytest.approx(1.05), "high": pytest.approx(2.95)}
    assert known_interval([np.nan]) == {}
