import numpy as np
import polars as pl
import pytest

from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.weights import effective_number, evened, neighbour_weights

TRAINING = pl.DataFrame(
    {
        "age": [60.0, 75.0, None, 60.0],
        "sex": ["female", "female", "female", "male"],
        "heart_rate": [70.0, 80.0, None, 75.0],
    }
)


def weights(similarities, age, sex, rows=(0, 1, 2, 3), rate=None):
    near = Neighbours(np.array([rows]), np.array([similarities]))
    queries = pl.DataFrame({"age": [age], "sex": [sex]}, schema_overrides={"age": pl.Float64, "sex": pl.String})
    return neighbour_weights(near, queries, TRAINING, rate and np.array([rate]))[0]


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


def test_a_rate_counts_where_it_is_stated_and_only_there():
    """A record's own measured rate is what an experience foretells, so no column of the query is read for it."""
    apart = np.exp(-0.5 * np.array([0, 10, 15, 5]) ** 2 / 100)
    assert weights([0.8] * 4, None, None, rate=70.0) == pytest.approx(apart)
    assert weights([0.8] * 4, None, None, rate=float("nan")) == pytest.approx([1] * 4)
    both = neighbour_weights(
        Neighbours(np.array([[0, 1, 2, 3]] * 2), np.full((2, 4), 0.8)),
        pl.DataFrame({"age": [None, None], "sex": [None, None], "heart_rate": [80.0, 80.0]}),
        TRAINING,
    )
    assert (both == 1).all()


def test_a_rate_far_from_all_still_tells_who_is_nearest():
    found = weights([0.8] * 4, None, None, rate=300.0)
    assert found.max() == 1 and found.argmax() == 2, "who may have any rate"
    known = weights([0.8] * 4, None, None, (0, 1, 3, -1), rate=300.0)
    assert np.isfinite(known).all() and known.argmax() == 1 and known.max() == 1


def test_weights_that_leave_the_say_to_one_are_evened():
    ten = np.array([[1.0] + [1 / 16] * 9, [1.0] * 9 + [1 / 16], [1.0] + [1e-8] * 9])
    evened_ten = evened(ten)
    assert effective_number(ten).round(1).tolist() == [2.4, 9.1, 1.0]
    assert effective_number(evened_ten) == pytest.approx([5, 9.1, 5], abs=0.05)
    assert (evened_ten[1] == ten[1]).all(), "nine have the say"
    # (1 + 9 w)² = 5 (1 + 9 w²)
    assert evened_ten[[0, 2]] == pytest.approx(np.array([[1.0] + [1 / 6] * 9] * 2), abs=1e-5), (
        "(1 + 9 w)² = 5 (1 + 9 w²)"
    )
    assert (evened(np.array([[1.0, 0.6, 0, 0]])) == [[1.0, 0.6, 0, 0]]).all(), "few there are"


@pytest.mark.parametrize("steepness", [1, 10, 100, 600])
def test_however_steep_the_weights_enough_neighbours_have_the_say(steepness):
    """And they keep their order."""
    falling = np.exp(-steepness * np.sort(np.random.default_rng(0).random((50, 12)), axis=1))
    falling[np.arange(12) >= np.arange(50)[:, None] % 13] = 0
    found = evened(falling)
    there = (falling > 0).sum(1)
    assert (effective_number(found) >= np.minimum(5, there / 2)).all()
    assert ((found > 0) == (falling > 0)).all() and (np.diff(found) <= 0).all()


def test_of_a_rate_far_from_all_no_record_alone_has_the_say():
    """Such as of sinus bradycardia at 150 bpm."""
    rates = np.linspace(40, 59, 20)
    training = pl.DataFrame({"age": [None] * 20, "sex": [None] * 20, "heart_rate": rates})
    near = Neighbours(np.arange(20)[None], np.full((1, 20), 0.8))
    queries = pl.DataFrame({"age": [None], "sex": [None]}, schema={"age": pl.Float64, "sex": pl.String})
    for rate in (150.0, 300.0, 400.0):
        found = neighbour_weights(near, queries, training, np.array([rate]))
        assert effective_number(found)[0] == pytest.approx(5, abs=0.01)
        assert found.argmax() == 19
