"""What neighbours measure and state, as medians, spreads, shares and counts: the structured part of an experience.

Each neighbour counts as much as its weight says (`weights.py`), in all but the counts.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.measures import AXIS, SIZES, SLICES, VALUES, Statistics
from sediff.knowledge.retrieval import Neighbours

VALUES_PER_BLOCK = 10_000_000  # of neighbours, held at once: 40 MB and what sorting them takes


def summarise(
    neighbours: Neighbours,
    weights: NDArray[np.float32],
    named: Sequence[Iterable[str]],
    training: pl.DataFrame,
    codes: Sequence[str],
) -> Statistics:
    """Quartiles, shares and counts over each row of neighbours.

    Args:
        neighbours: of n conditions, rows of `training`.
        weights: of each neighbour, (n, k), 0 where there is none.
        named: the statements that each condition names itself, about which it is told nothing.
        training: profiles with what `measures.SIZES` names and `statements`; a column may be missing.
        codes: the vocabulary's.
    """
    rows = neighbours.rows
    count = len(rows)
    counts = (rows >= 0).sum(1).astype(np.int32)
    values, stated = measurements(training), statement_matrix(training["statements"].to_list(), codes)
    shares = np.zeros((count, len(codes)), np.float32)
    low, median, high = (np.full((count, VALUES), np.nan, np.float32) for _ in range(3))
    known = np.zeros((count, VALUES), np.int32)
    size = max(1, VALUES_PER_BLOCK // (VALUES * max(1, rows.shape[1])))
    for block in (slice(start, start + size) for start in range(0, count, size)):
        own, there = rows[block], rows[block] >= 0
        shares[block] = np.einsum("nk,nks->ns", weights[block], stated[own])
        gathered = np.where(there[..., None], values[own], np.float32(np.nan)).transpose(0, 2, 1)
        low[block], median[block], high[block], known[block] = quartiles(gathered, weights[block])
    shares /= np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    shares[statement_matrix(named, codes) > 0] = 0
    return Statistics(counts, shares, low, median, high, known)


def quartiles(values: NDArray[np.float32], weights: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Quartiles of the neighbours' values (n, VALUES, k), which weigh (n, k), and how many have one: each (n, VALUES).

    Those of the axis are of its deviations from the mean direction: the angle that halves the neighbours, wherever the
    cut at ±180° lies, and the usual median where all lie within half a circle.
    """
    centre = mean_direction(values[:, AXIS], weights)
    values[:, AXIS] = wrapped(values[:, AXIS] - centre[:, None])
    known = (~np.isnan(values)).sum(-1, dtype=np.int32)
    order = np.argsort(values, axis=-1)  # NaN last
    ordered = np.take_along_axis(values, order, axis=-1)
    place = _places(np.take_along_axis(np.broadcast_to(weights[:, None], values.shape), order, axis=-1), known)
    low, median, high = (_quantile(ordered, place, known, share) for share in (0.25, 0.5, 0.75))
    middle = wrapped(centre + median[:, AXIS])
    low[:, AXIS] += middle - median[:, AXIS]
    high[:, AXIS] += middle - median[:, AXIS]
    median[:, AXIS] = middle
    return low, median, high, known


def _places(weights: NDArray[np.float32], known: NDArray[np.int32]) -> NDArray[np.float32]:
    """Which quantile each of the sorted, known values is, 0 the first and 1 the last: (..., k); beyond those, above 1.

    A value stands in the middle of its weight. Equal weights give i / (n - 1), the usual linear quantiles.
    """
    middle = np.cumsum(weights, axis=-1) - weights / 2
    middle -= middle[..., :1]
    last = np.take_along_axis(middle, np.maximum(known - 1, 0)[..., None], axis=-1)
    middle /= np.where(last > 0, last, 1)
    beyond = np.arange(weights.shape[-1]) >= known[..., None]
    return np.where(beyond, np.float32(2), middle)


def _quantile(
    ordered: NDArray[np.float32], place: NDArray[np.float32], known: NDArray[np.int32], share: float
) -> NDArray[np.float32]:
    """Quantile of each sorted row without its NaNs, linear between places: (..., k) to (...); NaN without any."""
    last = np.maximum(known - 1, 0)
    below = np.clip((place <= share).sum(-1) - 1, 0, last)
    indices = below, np.minimum(below + 1, last)
    (low, high), (start, end) = (
        [np.take_along_axis(rows, index[..., None], axis=-1)[..., 0] for index in indices] for rows in (ordered, place)
    )
    way = (np.float32(share) - start) / np.where(end > start, end - start, 1)
    return np.where(end > start, low + way * (high - low), low)


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
