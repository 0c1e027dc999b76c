"""What neighbours measure and state, as medians, spreads, shares and counts: the structured part of an experience.

Each neighbour counts as much as its weight says (`weights.py`), in all but the counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.measures import AXIS, MEASURED, SIZES, SLICES, VALUES, Statistics
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.weights import effective_number

MIN_KNOWN = 3  # neighbours that have a value, whatever they weigh, or nothing is expected of it
# So much of the neighbours' weight must have a value: then the typical neighbour has one. Where most have none, as PR
# in atrial fibrillation, the few that do are not like the others, and their median is not what is expected.
MIN_KNOWN_SHARE = 0.5
VALUES_PER_BLOCK = 10_000_000  # of neighbours, held at once: 40 MB and what sorting them takes


def summarise(
    neighbours: Neighbours,
    weights: NDArray[np.float32],
    named: Sequence[Iterable[str]],
    training: pl.DataFrame,
    measured: NDArray[np.float32],
    codes: Sequence[str],
) -> Statistics:
    """Quartiles, shares and counts over each row of neighbours.

    Args:
        neighbours: of n conditions, rows of `training`.
        weights: of each neighbour, (n, k), 0 where there is none.
        named: the statements that each condition names itself, about which it is told nothing.
        training: profiles with `statements`; measured: what they measure, as `measurements` gives it.
        codes: the vocabulary's.
    """
    rows = neighbours.rows
    count = len(rows)
    counts = (rows >= 0).sum(1).astype(np.int32)
    stated = statement_matrix(training["statements"].to_list(), codes)
    shares = np.zeros((count, len(codes)), np.float32)
    low, median, high = (np.full((count, VALUES), np.nan, np.float32) for _ in range(3))
    known = np.zeros((count, VALUES), np.int32)
    size = max(1, VALUES_PER_BLOCK // (VALUES * max(1, rows.shape[1])))
    for block in (slice(start, start + size) for start in range(0, count, size)):
        own, there = rows[block], rows[block] >= 0
        shares[block] = np.einsum("nk,nks->ns", weights[block], stated[own])
        gathered = np.where(there[..., None], measured[own], np.float32(np.nan)).transpose(0, 2, 1)
        low[block], median[block], high[block], known[block] = quartiles(gathered, weights[block])
    shares /= np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    shares[statement_matrix(named, codes) > 0] = 0
    return Statistics(counts, shares, low, median, high, known)


def sufficient(
    statistics: Statistics, neighbours: Neighbours, weights: NDArray[np.float32], measured: NDArray[np.float32]
) -> Statistics:
    """The same statistics without the quartiles, NaN, of what is known of too few neighbours to be expected.

    Too few are less than three, or less than half by weight. The counts stay, and the morphology as it is, since
    nothing is told of it. Other arguments as of `summarise`.
    """
    there = (~np.isnan(measured[:, MEASURED])).astype(np.float32)
    shares = np.zeros((len(neighbours.rows), there.shape[1]), np.float32)
    size = max(1, VALUES_PER_BLOCK // (there.shape[1] * max(1, neighbours.rows.shape[1])))
    for block in (slice(start, start + size) for start in range(0, len(shares), size)):
        shares[block] = np.einsum("nk,nks->ns", weights[block], there[neighbours.rows[block]])
    shares /= np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    enough = np.ones(statistics.known.shape, bool)
    enough[:, MEASURED] = (shares >= MIN_KNOWN_SHARE) & (statistics.known[:, MEASURED] >= MIN_KNOWN)
    low, median, high = (np.where(enough, of, np.nan) for of in (statistics.low, statistics.median, statistics.high))
    return replace(statistics, low=low, median=median, high=high)


def quartiles(values: NDArray[np.float32], weights: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Quartiles of the neighbours' values (n, VALUES, k), which weigh (n, k), and how many have one: each (n, VALUES).

    Those of the axis are of its deviations from the mean direction: the angle that halves their weight, wherever the
    cut at ±180° lies, and the usual median where all lie within half a circle.
    """
    centre = mean_direction(values[:, AXIS], weights)
    values[:, AXIS] = wrapped(values[:, AXIS] - centre[:, None])
    absent = np.isnan(values)
    known = (~absent).sum(-1, dtype=np.int32)
    order = np.argsort(values, axis=-1)  # NaN last
    counted = np.take_along_axis(np.where(absent, np.float32(0), weights[:, None]), order, axis=-1)
    ordered = np.nan_to_num(np.take_along_axis(values, order, axis=-1), copy=False)
    low, median, high = (np.where(known > 0, of, np.nan) for of in weighted_quantiles(ordered, counted))
    middle = wrapped(centre + median[:, AXIS])
    low[:, AXIS] += middle - median[:, AXIS]
    high[:, AXIS] += middle - median[:, AXIS]
    median[:, AXIS] = middle
    return low, median, high, known


def weighted_quantiles(
    ordered: NDArray[np.float32], weights: NDArray[np.float32], shares: Sequence[float] = (0.25, 0.5, 0.75)
) -> list[NDArray[np.float32]]:
    """Quantiles of sorted rows (..., k) whose values weigh as much: each (...).

    Equal weights give the usual linear quantiles; a value without weight changes nothing. The quantile of share p is
    the mean of the values between L and L + 1/n of all weight, L = p (n - 1)/n, with Kish's n = (Σw)²/Σw² in place of
    the number of values (Akinshin 2023, arXiv 2304.07265, type 7).
    """
    total = np.maximum(weights.sum(-1), np.finfo(np.float32).tiny)
    number = np.maximum(effective_number(weights), 1).astype(np.float32)[..., None]
    up_to = np.cumsum(weights, axis=-1) / total[..., None]
    found = []
    for share in shares:
        within = np.clip(up_to * number - np.float32(share) * (number - 1), 0, 1)
        within[..., 1:] -= within[..., :-1].copy()
        found.append((within * ordered).sum(-1))
    return found


def mean_direction(degrees: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Direction of the weighted sum of unit vectors, without NaNs: (n, k) twice to (n,); 0 where there is none."""
    angles = np.deg2rad(degrees.astype(np.float64))
    along = (np.nansum(weights * part(angles), -1) for part in (np.sin, np.cos))
    return np.rad2deg(np.arctan2(*along)).astype(np.float32)


def wrapped(degrees: NDArray[np.floating]) -> NDArray[np.floating]:
    """The same angles from -180 to 180."""
    return (degrees + 180) % 360 - 180


def overall(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Medians of all rows of `measurements`: (VALUES,)."""
    return quartiles(values.T[None].copy(), np.ones((1, len(values)), np.float32))[1][0]


def deviation(name: str, expected: NDArray[np.floating], measured: NDArray[np.floating]) -> NDArray[np.floating]:
    """Absolute differences in a measure's unit; of the axis, on the circle."""
    difference = expected - measured
    return np.abs(wrapped(difference) if name == "axis" else difference)


def measurements(profiles: pl.DataFrame) -> NDArray[np.float32]:
    """What profiles measure: (profiles, VALUES), NaN where a record or the whole table lacks it."""
    values = np.full((len(profiles), VALUES), np.nan, np.float32)
    for name, size in SIZES.items():
        if name not in profiles.columns:
            continue
        column = profiles[name]
        if size == 1:
            values[:, SLICES[name]] = column.cast(pl.Float32).fill_null(float("nan")).to_numpy()[:, None]
        else:
            lists = column.cast(pl.List(pl.Float32))
            there = (lists.list.len() == size).fill_null(False)
            flat = lists.filter(there).explode().fill_null(float("nan")).to_numpy()
            values[there.to_numpy(), SLICES[name]] = flat.reshape(-1, size)
    return values


def statement_matrix(statements: Sequence[Iterable[str]], codes: Sequence[str]) -> NDArray[np.float32]:
    """Which row has which statement, 0 or 1: (rows, statements)."""
    column = {code: position for position, code in enumerate(codes)}
    present = np.zeros((len(statements), len(codes)), np.float32)
    for row, own in enumerate(statements):
        present[row, [column[code] for code in own]] = 1
    return present
