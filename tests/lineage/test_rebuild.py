"""Records that are made again: the sample, and what is said of those that come out otherwise."""

import numpy as np
import pytest

from sediff.ecg import LEADS
from sediff.lineage.rebuild import differences, sample_of

REQUESTS = ("dataset", "evaluation")


@pytest.fixture
def sample(made):
    return sample_of(made / "data/synthesis", REQUESTS, 12)


def signals(rows) -> np.ndarray:
    return np.stack([np.frombuffer(row["signal"], "<i2").reshape(len(LEADS), -1) for row in rows])


def test_the_sample_is_the_same_each_time_and_of_all_requests(made, sample):
    again = sample_of(made / "data/synthesis", REQUESTS, 12)
    assert [row["record_id"] for row in sample] == [row["record_id"] for row in again]
    assert len({row["record_id"] for row in sample}) == 12
    assert {row["request"] for row in sample} == set(REQUESTS)
    assert len(sample_of(made / "data/synthesis", REQUESTS, 1000)) == 60, "no more than there are"


def test_what_comes_out_the_same_is_no_difference(sample):
    assert differences(sample, signals) == {}


def test_a_sample_that_differs_is_named_with_how_far(sample):
    def otherwise(rows) -> np.ndarray:
        made = signals(rows).copy()
        made[4, 2, 7] -= 3
        made[4, 2, 8] += 1
        return made

    (found,) = differences(sample, otherwise).values()
    assert (found.record_id, found.samples, found.microvolts) == (sample[4]["record_id"], 2, 3)
