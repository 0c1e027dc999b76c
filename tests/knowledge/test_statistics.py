import numpy as np
import polars as pl
import pytest

from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.statistics import quantile, summarise


def test_quantiles_equal_numpys_and_leave_nan_out():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 9))
    values[rng.random(values.shape) < 0.3] = np.nan
    for share in (0.25, 0.5, 0.75):
        assert np.allclose(quantile(values, share), np.nanquantile(values, share, axis=1))
    assert np.isnan(quantile(np.full((1, 3), np.nan), 0.5)).all()


def test_statistics_are_those_of_the_neighbours():
    training = pl.DataFrame(
        {
            "heart_rate": [60.0, 80.0, None, 100.0],
            "rmssd": [10.0, 30.0, 20.0, None],
            "amplitudes": [[1.0] * 8, [3.0] * 8, [], [2.0] * 8],
            "statements": [["SR"], ["AFIB", "SR"], ["AFIB"], []],
        }
    )
    rows = np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]])
    found = summarise(Neighbours(rows, np.zeros(rows.shape)), training, ("AFIB", "SR"))
    assert found.counts.tolist() == [3, 1, 0]
    assert found.heart_rate[:2].tolist() == [70, 100]
    assert found.heart_rate_spread[:2].tolist() == [10, 0]
    assert found.rmssd[0] == 20
    assert np.isnan(found.rmssd[1]) and np.isnan(found.heart_rate[2])
    assert found.amplitudes[:2, 0].tolist() == [2, 2]
    assert found.shares == pytest.approx(np.array([[2 / 3, 2 / 3], [0, 0], [0, 0]]))
