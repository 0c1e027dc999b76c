"""Similar profiles, exactly: τ(u, u') = λ₁ J_diagnoses + λ₂ J_medications + λ₃ J_procedures.

As in SE-Diff (arXiv 2511.09895). J is the Jaccard index of two sets, 0 where both are empty: nothing
known in common is no similarity. What is fast: items shared are counted in bytes, a block of queries with all training
profiles at once (`views.py`); τ is worked out in single precision, and again, as defined, for the few that it leaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.profiles import VIEWS
from sediff.knowledge.views import ROWS_PER_CHUNK, View, sizes
from sediff.progress import track

QUERIES_PER_BLOCK = 32
GROUP = 64  # profiles; the k-th largest of the groups' maxima is the least that can be among the k best
ROUNDING = 1e-5  # of τ in single precision, with room to spare
FEWEST = 10  # neighbours that are kept however much less similar they are than the best; then they weigh little
OTHER_SEX, UNKNOWN_AGE = 200.0, 50.0  # years that count among ties
YEARS_A_BEAT, UNKNOWN_RATE = 1.5, 30.0  # a beat a minute apart among ties; bpm where a record's rate is not known


@dataclass(frozen=True)
class Neighbours:
    """The most similar training profiles of n profiles.

    Attributes:
        rows: (n, k) row numbers of the training profiles, most similar first, -1 where there are fewer than k.
        similarities: (n, k) τ, 0 where there is no neighbour.
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float64]

    def near(self, closeness: float) -> "Neighbours":
        """The first ten, and others with at least this share of the best similarity.

        Fewer than ten say little of a spread. Many that are less similar would be named as if they counted.
        """
        kept = self.similarities >= closeness * self.similarities[:, :1] - ROUNDING
        kept[:, :FEWEST] = True
        return Neighbours(np.where(kept, self.rows, -1), np.where(kept, self.similarities, 0.0))


class Retriever:
    """Training profiles (sorted by profile_id), ready to be compared."""

    def __init__(self, training: pl.DataFrame) -> None:
        self.training = training
        self._views = {view: View.of(training[view]) for view in VIEWS}
        self._ages, self._sexes, self._rates = ages(training), sexes(training), heart_rates(training)
        self._of_patient: dict[str, list[int]] = {}
        for row, patient in enumerate(training["patient_id"]):
            self._of_patient.setdefault(patient, []).append(row)

    def similarities(self, queries: pl.DataFrame, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """τ of each query with each training profile: (queries, training)."""
        compared = self._compare(queries, weights)
        everyone = np.arange(len(self.training))
        return np.stack([self._similarity(compared, row, everyone) for row in range(len(queries))])

    def nearest(self, queries: pl.DataFrame, weights: Mapping[str, float], k: int, label: str = "") -> Neighbours:
        """The k most similar training profiles of other patients; those with τ = 0 are no neighbours.

        Equal similarities are put in order by sex (the same first), then by difference in age, then by profile_id,
        so the result depends on nothing else.
        """
        rows = np.full((len(queries), k), -1, np.int64)
        similarities = np.zeros((len(queries), k))
        starts = range(0, len(queries), QUERIES_PER_BLOCK)
        for start in track(starts, len(starts), label) if label else starts:
            block = queries[start : start + QUERIES_PER_BLOCK]
            compared = self._compare(block, weights)
            block_ages, block_sexes = ages(block), sexes(block)
            for row, patient in enumerate(block["patient_id"]):
                found = self._promising(compared, row, k, self._of_patient.get(patient, []))
                scores = self._similarity(compared, row, found)
                best = self._best(found, scores, k, block_ages[row], block_sexes[row])
                rows[start + row, : len(best)] = found[best]
                similarities[start + row, : len(best)] = scores[best]
        return Neighbours(rows, similarities)

    def top(
        self, queries: pl.DataFrame, scores: NDArray[np.float64], k: int, stated_rate: float | None = None
    ) -> list[NDArray[np.int64]]:
        """Rows of the k highest scores above 0 of each query, best first, ties as in `nearest`.

        Where a rate (bpm) is stated, 10 bpm apart count as 15 years do. The rows of a query's own patient in `scores`
        are set to 0.
        """
        own_ages, own_sexes, best = ages(queries), sexes(queries), []
        for row, patient in enumerate(queries["patient_id"]):
            scores[row, self._of_patient.get(patient, [])] = 0
            found = np.flatnonzero(scores[row] > 0)
            best.append(found[self._best(found, scores[row, found], k, own_ages[row], own_sexes[row], stated_rate)])
        return best

    def _compare(self, queries: pl.DataFrame, weights: Mapping[str, float]) -> list["_Compared"]:
        """The views that count."""
        return [
            _Compared(weights[view], sizes(queries[view]), own.sizes, own.shared(queries[view]))
            for view, own in self._views.items()
            if weights[view]
        ]

    def _similarity(self, compared: list["_Compared"], row: int, found: NDArray[np.int64]) -> NDArray[np.float64]:
        """τ of a query with some training profiles, as it is defined: (found,)."""
        scores = np.zeros(len(found))
        for view in compared:
            shared = view.shared[row, found].astype(np.int64)
            union = view.own[row] + view.others[found].astype(np.int64) - shared
            scores += view.weight * (shared / np.maximum(union, 1))
        return scores

    def _promising(self, compared: list["_Compared"], row: int, k: int, own: list[int]) -> NDArray[np.int64]:
        """Training profiles among which a query's k nearest are, those of its own patient left out.

        In single precision, so that more fits into a cache. Each of k groups has a profile that reaches the k-th
        largest of all groups' maxima, so what does not reach it is not among the k best.
        """
        scores = np.zeros(len(self.training), np.float32)
        shared, union = np.empty((2, ROWS_PER_CHUNK), np.float32)
        for start in range(0, len(scores), ROWS_PER_CHUNK):
            part = slice(start, start + ROWS_PER_CHUNK)
            score = scores[part]
            s, u = shared[: len(score)], union[: len(score)]
            for view in compared:
                if view.own[row]:  # otherwise the index is 0
                    np.copyto(s, view.shared[row, part])
                    np.subtract(view.others[part], s, out=u)
                    np.add(u, np.float32(view.own[row]), out=u)
                    np.divide(s, u, out=s)
                    np.multiply(s, np.float32(view.weight), out=s)
                    np.add(score, s, out=score)
        scores[own] = 0
        maxima = np.maximum.reduceat(scores, np.arange(0, len(scores), GROUP))
        least = np.partition(maxima, len(maxima) - k)[len(maxima) - k] - ROUNDING if len(maxima) > k else 0.0
        return np.flatnonzero(scores >= least if least > 0 else scores > 0)

    def _best(
        self,
        found: NDArray[np.int64],
        scores: NDArray[np.float64],
        k: int,
        age: float,
        sex: int,
        rate: float | None = None,
    ) -> NDArray[np.int64]:
        """Places of the k highest scores of the rows found, best first."""
        chosen = np.arange(len(found))
        if len(found) > k:
            least = np.partition(scores, len(found) - k)[len(found) - k]
            above, ties = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
            wanted = k - len(above)
            if len(ties) > wanted:
                ties = ties[np.argpartition(self._unlikeness(found[ties], age, sex, rate), wanted)[:wanted]]
            chosen = np.concatenate([above, ties])
        return chosen[np.lexsort((self._unlikeness(found[chosen], age, sex, rate), -scores[chosen]))]

    def _unlikeness(self, rows: NDArray[np.int64], age: float, sex: int, rate: float | None) -> NDArray[np.int64]:
        """A different whole number for each row: years apart (and sex, and a stated rate), then the order of ids."""
        years = np.nan_to_num(np.abs(self._ages[rows] - age), nan=UNKNOWN_AGE)
        if rate is not None:
            years = years + YEARS_A_BEAT * np.nan_to_num(np.abs(self._rates[rows] - rate), nan=UNKNOWN_RATE)
        years = years + OTHER_SEX * (self._sexes[rows] * sex < 0)
        return np.rint(years * 10).astype(np.int64) * len(self.training) + rows


@dataclass(frozen=True)
class _Compared:
    """One view of some queries beside the training profiles: its weight, sizes of both, shared items of each pair."""

    weight: float
    own: NDArray[np.int32]
    others: NDArray[np.float32]
    shared: NDArray[Any]


def ages(profiles: pl.DataFrame) -> NDArray[np.float64]:
    """In years, NaN where unknown."""
    return profiles["age"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def heart_rates(profiles: pl.DataFrame) -> NDArray[np.float64]:
    """In bpm, NaN where unknown or where no profile has one."""
    if "heart_rate" not in profiles.columns:
        return np.full(len(profiles), np.nan)
    return profiles["heart_rate"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def sexes(profiles: pl.DataFrame) -> NDArray[np.int64]:
    """1 male, -1 female, 0 unknown."""
    sex = profiles["sex"].cast(pl.String)
    return (
        (sex == "male").fill_null(False).cast(pl.Int64) - (sex == "female").fill_null(False).cast(pl.Int64)
    ).to_numpy()
