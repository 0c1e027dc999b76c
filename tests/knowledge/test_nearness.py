import numpy as np
import polars as pl
import pytest

from sediff.knowledge.nearness import nearest, nearness

TRAINING = pl.DataFrame(
    {
        "age": [60.0, 75.0, None, 60.0, 60.0],
        "sex": ["female", "female", "female", "male", None],
        "heart_rate": [70.0, 70.0, 80.0, 70.0, None],
    }
)


def test_the_nearer_in_age_sex_and_rate_the_higher():
    unknown_age, unknown_rate, one_scale = np.exp(-0.5 * (20 / 15) ** 2), np.exp(-0.5 * 1.5**2), np.exp(-0.5)
    assert nearness(TRAINING, 60, None, None) == pytest.approx([1, one_scale, unknown_age, 1, 1])
    assert nearness(TRAINING, None, "female", None) == pytest.approx([1, 1, 1, 0.6, 1])
    assert nearness(TRAINING, None, "male", None) == pytest.approx([0.6, 0.6, 0.6, 1, 1])
    assert nearness(TRAINING, None, None, 70) == pytest.approx([1, 1, one_scale, 1, unknown_rate])
    all_three = [1, one_scale, unknown_age * one_scale, 0.6, unknown_rate]
    assert nearness(TRAINING, 60, "female", 70) == pytest.approx(all_three)


def test_the_nearest_come_first_and_what_is_not_near_at_all_never():
    assert nearest(np.array([0.2, 0.9, 0.0, 0.5, 0.9]), 3).tolist() == [1, 4, 3]
    assert nearest(np.array([0.2, 0.9, 0.0, 0.5, 0.9]), 9).tolist() == [1, 4, 3, 0]
    assert nearest(np.zeros(5), 3).tolist() == []


def test_of_many_that_are_as_near_evenly_spread_ones_are_taken():
    near = np.full(1000, 0.5)
    assert nearest(near, 4).tolist() == [0, 250, 500, 750]
    near[900:902] = 0.7, 0.6
    assert nearest(near, 4).tolist() == [900, 901, 0, 499]
    assert len(set(nearest(near, 999).tolist())) == 999
