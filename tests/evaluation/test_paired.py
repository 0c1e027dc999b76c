"""The papers' paired figures, where they are known."""

import numpy as np
import polars as pl
import pytest

from sediff.evaluation.diversity import one_alike
from sediff.evaluation.paired import errors, mean_error, others, relative
from sediff.evaluation.strata import FEW_PATIENTS


def test_draws_of_flat_records_alone_leave_the_interval_finite_and_few_patients_give_none():
    patients, values = np.array([f"p{row}" for row in range(25)]), np.r_[np.full(4, np.nan), np.arange(21.0)]
    found = mean_error(values, patients, [np.arange(4), np.arange(25), np.arange(5, 25)])
    assert found == {"mean": 10, "median": 10.25, "low": pytest.approx(10.0125), "high": pytest.approx(10.4875)}
    assert mean_error(values[:23], patients[:23], [np.arange(23)]) == {"left_out": FEW_PATIENTS}
    one = np.full(25, "p")
    assert mean_error(values, one, [np.arange(25)]) == {"left_out": FEW_PATIENTS}


def test_errors_of_a_shift_a_flat_line_and_the_record_itself():
    t = np.linspace(0, 20 * np.pi, 1000, endpoint=False)
    real = np.tile(np.sin(t), (3, 12, 1))
    assert [of.max() for of in errors(real, real)] == [0, 0]
    mae, nrmse = errors(real, real + 0.1)
    assert mae == pytest.approx(0.1)
    assert nrmse == pytest.approx(0.1 / 2, rel=1e-3), "over the range of two"
    mae, nrmse = errors(real, np.zeros_like(real))
    assert mae == pytest.approx(2 / np.pi, rel=1e-3)
    assert nrmse == pytest.approx(np.sqrt(0.5) / 2, rel=1e-3)
    assert np.isnan(errors(np.zeros((1, 12, 10)), np.ones((1, 12, 10)))[1]).all(), "a flat record has no range"


def test_a_flat_line_is_nearer_than_another_record_as_the_method_warns():
    rng = np.random.default_rng(0)
    real, other = rng.normal(size=(2, 50, 12, 100))
    flat, random = (errors(real, of)[0].mean() for of in (np.zeros_like(real), other))
    assert flat < random


def test_others_are_of_other_patients():
    patients = np.array([f"p{row // 3}" for row in range(30)])
    assert (patients != patients[others(patients, np.random.default_rng(0))]).all()


def test_records_alike_are_of_another_patient_and_of_the_condition():
    columns = pl.DataFrame(
        {
            "patient_id": ["a", "a", "b", "c", "d", "e"],
            "statements": [["NORM"]] * 5 + [["AFIB"]],
            "sex": ["male"] * 3 + ["female"] + ["male"] * 2,
            "age": [60.0, 60, 64, 60, 70, 60],
            "heart_rate": [70.0, 70, 74, 70, 70, 70],
        }
    )
    for seed in range(5):
        found = one_alike(columns, np.array([0, 2, 5]), np.random.default_rng(seed))
        assert found[0] == 2, "a's own other record, another sex, another age and another rhythm match not"
        assert found[2] in (0, 1) and 5 not in found


def test_the_papers_ratios_are_those_of_the_sections_and_without_fd_a_note_says_so():
    ratio = {"ratio": 0.8, "median": 0.8, "low": 0.7, "high": 0.9}
    clip = {"over_real": {"synthetic": ratio}}
    found = relative({"clip": clip, "distribution": {"left_out": "few"}})
    assert found["rclip"] == ratio and list(found["rfid"]) == ["left_out"]
    fd = {"median": 1.5, "low": 1.2, "high": 1.8}
    over = {"over_floor": {"synthetic": {"fd": fd}}}
    assert relative({"clip": clip, "distribution": over})["rfid"] == {"ratio": 1.5, **fd}
