"""Similar profiles, exactly: τ(u, u') = λ₁ J_diagnoses + λ₂ J_medications + λ₃ J_procedures.

As in SE-Diff (arXiv 2511.09895). J is the Jaccard index of two sets, 0 where both are empty: nothing
known in common is no similarity.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sediff.knowledge.profiles import VIEWS
from sediff.progress import track

CELLS_PER_BLOCK = 4_000_000  # of similarities held at once: 32 MB
OTHER_SEX, UNKNOWN_AGE = 200.0, 50.0  # years that count among ties


@dataclass(frozen=True)
class Neighbours:
    """The most similar training profiles of n profiles.

    Attributes:
        rows: (n, k) row numbers of the training profiles, most similar first, -1 where there are fewer than k.
        similarities: (n, k) τ, 0 where there is no neighbour.
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float64]


@dataclass(frozen=True)
class _View:
    """One view of the training profiles: items to columns, who has what, and how many items each has."""

    columns: dict[str, int]
    holders: csr_array
    sizes: NDArray[np.int64]


class Retriever:
    """Training profiles (sorted by profile_id) as sparse matrices, one a view."""

    def __init__(self, training: pl.DataFrame) -> None:
        self.training = training
        self._views = {view: _view(training[view]) for view in VIEWS}
        self._ages, self._sexes = _ages(training), _sexes(training)
        self._of_patient: dict[str, list[int]] = {}
        for row, patient in enumerate(training["patient_id"]):
            self._of_patient.setdefault(patient, []).append(row)

    def similarities(self, queries: pl.DataFrame, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """τ of each query with each training profile: (queries, training)."""
        scores = np.zeros((len(queries), len(self.training)))
        for view in VIEWS:
            own = self._views[view]
            sets = _matrix(queries[view], own.columns)
            common = csr_array(sets @ own.holders)
            rows = np.repeat(np.arange(len(queries)), np.diff(common.indptr))
            sizes = queries[view].list.len().to_numpy().astype(np.int64)
            union = sizes[rows] + own.sizes[common.indices] - common.data
            scores[rows, common.indices] += weights[view] * (common.data / union)
        return scores

    def nearest(self, queries: pl.DataFrame, weights: Mapping[str, float], k: int, label: str = "") -> Neighbours:
        """The k most similar training profiles of other patients; those with τ = 0 are no neighbours.

        Equal similarities are put in order by sex (the same first), then by difference in age, then by profile_id,
        so the result depends on nothing else.
        """
        rows = np.full((len(queries), k), -1, np.int64)
        similarities = np.zeros((len(queries), k))
        size = max(1, CELLS_PER_BLOCK // len(self.training))
        starts = range(0, len(queries), size)
        for start in track(starts, len(starts), label) if label else starts:
            block = queries[start : start + size]
            scores = self.similarities(block, weights)
            for row, chosen in enumerate(self.top(block, scores, k)):
                rows[start + row, : len(chosen)] = chosen
                similarities[start + row, : len(chosen)] = scores[row, chosen]
        return Neighbours(rows, similarities)

    def top(self, queries: pl.DataFrame, scores: NDArray[np.float64], k: int) -> list[NDArray[np.int64]]:
        """Rows of the k highest scores above 0 of each query, best first, ties as in `nearest`.

        The rows of a query's own patient in `scores` are set to 0.
        """
        for row, patient in enumerate(queries["patient_id"]):
            scores[row, self._of_patient.get(patient, [])] = 0
        place = max(0, scores.shape[1] - k)
        least = np.partition(scores, place, axis=1)[:, place]
        ages, sexes = _ages(queries), _sexes(queries)
        return [self._best(scores[row], least[row], k, ages[row], sexes[row]) for row in range(len(queries))]

    def _best(self, scores: NDArray[np.float64], least: float, k: int, age: float, sex: int) -> NDArray[np.int64]:
        above = np.flatnonzero(scores > least)
        ties = np.flatnonzero(scores == least) if least > 0 else np.empty(0, np.int64)
        wanted = k - len(above)
        if len(ties) > wanted:
            ties = ties[np.argpartition(self._unlikeness(ties, age, sex), wanted)[:wanted]]
        chosen = np.concatenate([above, ties])
        return chosen[np.lexsort((self._unlikeness(chosen, age, sex), -scores[chosen]))]

    def _unlikeness(self, rows: NDArray[np.int64], age: float, sex: int) -> NDArray[np.int64]:
        """A different whole number for each row: years apart (and sex) first, then the order of ids."""
        years = np.nan_to_num(np.abs(self._ages[rows] - age), nan=UNKNOWN_AGE)
        years = years + OTHER_SEX * (self._sexes[rows] * sex < 0)
        return np.rint(years * 10).astype(np.int64) * len(self.training) + rows


def _view(items: pl.Series) -> _View:
    columns = {
        item: column for column, item in enumerate(items.explode(empty_as_null=False).drop_nulls().unique().sort())
    }
    holders = csr_array(_matrix(items, columns).T)
    return _View(columns, holders, items.list.len().to_numpy().astype(np.int64))


def _matrix(items: pl.Series, columns: Mapping[str, int]) -> csr_array:
    """Sets of items as ones: (sets, columns); items without a column are left out."""
    rows = np.repeat(np.arange(len(items)), items.list.len().to_numpy())
    flat = items.explode(empty_as_null=False).to_list()
    column = np.fromiter((columns.get(item, -1) for item in flat), np.int64, len(flat))
    known = column >= 0
    ones = np.ones(int(known.sum()), np.int32)
    return csr_array((ones, (rows[known], column[known])), shape=(len(items), len(columns)))


def _ages(profiles: pl.DataFrame) -> NDArray[np.float64]:
    return profiles["age"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _sexes(profiles: pl.DataFrame) -> NDArray[np.int64]:
    """1 male, -1 female, 0 unknown."""
    return np.array([{"male": 1, "female": -1}.get(sex, 0) for sex in profiles["sex"]], np.int64)
