"""What neighbours measure, as median and spread: the structured part of an experience."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS
from sediff.knowledge.retrieval import Neighbours


@dataclass(frozen=True)
class Statistics:
    """Of n experiences; NaN where no neighbour has a value.

    Attributes:
        counts: (n,) neighbours.
        heart_rate, heart_rate_spread: (n,) median and interquartile range, bpm; rmssd: (n,) median, ms.
        amplitudes: (n, 8) medians, mV.
        shares: (n, statements) share of neighbours with each statement.
    """

    counts: NDArray[np.int64]
    heart_rate: NDArray[np.float64]
    heart_rate_spread: NDArray[np.float64]
    rmssd: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    shares: NDArray[np.float64]


def summarise(neighbours: Neighbours, training: pl.DataFrame, codes: tuple[str, ...]) -> Statistics:
    """Medians, interquartile ranges and shares over each row of neighbours."""
    rows, there = neighbours.rows, neighbours.rows >= 0
    counts = there.sum(1)
    rate = _gather(_column(training, "heart_rate"), rows)
    amplitudes = np.stack(
        [quantile(_gather(column, rows), 0.5) for column in _amplitudes(training).T], axis=-1
    )  # (n, 8)
    present = _statements(training, codes)
    shares = np.stack([present[own[mask]].sum(0) for own, mask in zip(rows, there, strict=True)])
    return Statistics(
        counts=counts,
        heart_rate=quantile(rate, 0.5),
        heart_rate_spread=quantile(rate, 0.75) - quantile(rate, 0.25),
        rmssd=quantile(_gather(_column(training, "rmssd"), rows), 0.5),
        amplitudes=amplitudes,
        shares=shares / np.maximum(counts, 1)[:, None],
    )


def quantile(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Quantile of each row without its NaNs, linear between values: (n, k) to (n,); NaN for a row without any."""
    ordered = np.sort(values, axis=1)  # NaN last
    known = (~np.isnan(ordered)).sum(1)
    position = share * np.maximum(known - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(known - 1, 0))
    each = np.arange(len(values))
    below, above = ordered[each, low], ordered[each, high]
    return below + (position - low) * (above - below)


def _gather(column: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(rows >= 0, column[rows], np.nan)


def _column(training: pl.DataFrame, name: str) -> NDArray[np.float64]:
    return training[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _amplitudes(training: pl.DataFrame) -> NDArray[np.float64]:
    missing = [float("nan")] * len(INDEPENDENT_LEADS)
    return np.array([row or missing for row in training["amplitudes"].to_list()], np.float64)


def _statements(training: pl.DataFrame, codes: tuple[str, ...]) -> NDArray[np.float64]:
    """Which training record has which statement, 0 or 1: (training, statements)."""
    column = {code: position for position, code in enumerate(codes)}
    present = np.zeros((len(training), len(codes)))
    for row, own in enumerate(training["statements"].to_list()):
        present[row, [column[code] for code in own]] = 1
    return present
