import numpy as np
import polars as pl
import pytest

from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.weights import neighbour_weights

TRAINING = pl.DataFrame({"age": [60.0, 75.0, None, 60.0], "sex": ["female", "female", "female", "male"]})


def weights(similarities, age, sex, rows=(0, 1, 2, 3)):
    near = Neighbours(np.array([rows]), np.array([similarities]))
    queries = pl.DataFrame({"age": [age], "sex": [sex]}, schema_overrides={"age": pl.Float64, "sex": pl.String})
    return neighbour_weights(near, queries, TRAINING)[0]


def test_the_more_alike_in_age_and_sex_the_more_a_neighbour_counts():
    one_scale_apart, unknown = np.exp(-0.5), np.exp(-0.5 * (20 / 15) ** 2)
    assert weights([0.8] * 4, 60, "female") == pytest.approx([1, one_scale_apart, unknown, 0.6])


def test_of_an_unknown_patient_only_the_profile_counts():
    assert len({*weights([0.8] * 4, None, None).tolist()}) == 1
    known = weights([0.8, 0.4, 0.2, 0.8], None, None)
    assert known[0] == known[3]
    assert known / known[0] == pytest.approx([1, 1 / 16, 1 / 256, 1])


def test_where_there_is_no_neighbour_there_is_no_weight():
    assert weights([0.5, 0, 0, 0], 60, "female", (0, -1, -1, -1)).tolist() == [1, 0, 0, 0]
    assert weights([0.0] * 4, 60, "female", (-1,) * 4).tolist() == [0] * 4
