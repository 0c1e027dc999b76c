"""The papers' paired figures, where they are known."""

import numpy as np
import pytest

from benchmarks.paired import errors, others, relative


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


def test_ratios_stand_beside_their_parts_and_none_is_said_where_none_was_measured():
    clip = {name: {"mean": value} for name, value in (("synthetic", 0.4), ("real", 0.5), ("shuffled", 0.1))}
    assert list(relative({"clip": clip})) == ["rCLIP 0.800: 0.400 over 0.500; of a wrong text 0.100."]
    fd = {name: {"fd": {"median": value}} for name, value in (("synthetic", 3.0), ("real", 2.0))}
    over = {"over_floor": {"synthetic": {"fd": {"median": 1.5, "low": 1.2, "high": 1.8}}}, "records_compared": 90}
    first, _ = relative({"clip": clip, "distribution": {**fd, **over}})
    assert first == "rFID 1.500 (1.200 to 1.800): FD 3 over 2, 90 records each."
