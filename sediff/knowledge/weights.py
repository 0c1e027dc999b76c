"""How much each neighbour counts in an experience: the more alike in profile, age and sex, the more.

A median over few records is noisy, one over many forgets who was asked for. Weights leave both: many are asked, and
those like the patient have the say. What the constants are worth: docs/results/experience.md.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.retrieval import Neighbours, ages, heart_rates, sexes

SHARPNESS = 4  # a neighbour with half of the best similarity counts a sixteenth
AGE_SCALE = 15.0  # years, the standard deviation of a Gaussian
UNKNOWN_AGE = 20.0  # years apart that count where an age is not known
OTHER_SEX = 0.6
RATE_SCALE = 10.0  # bpm, the standard deviation of a Gaussian
UNKNOWN_RATE = 15.0  # bpm apart that count where a record's rate is not known
ENOUGH = 5  # neighbours of equal weight, or what they say is evened
HALVINGS = 30  # of the interval in which the power lies
QUERIES_PER_BLOCK = 10_000


def neighbour_weights(
    neighbours: Neighbours,
    queries: pl.DataFrame,
    training: pl.DataFrame,
    stated_rates: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """w = (τ / τ₁)⁴ exp(-Δage² / 2·15²), times 0.6 for the other sex: (n, k), 0 where there is no neighbour.

    Where the query states a rate, also times exp(-Δrate² / 2·10²). A query's are scaled to 1 at most, so that
    those of a rate far from all do not vanish, and then evened as `evened` says.

    Args:
        neighbours: of n queries, rows of `training`; τ₁ is the best similarity of each.
        queries, training: profiles with `age` (years) and `sex`; `training` with `heart_rate` (bpm) where one does.
        stated_rates: (n,) bpm that the queries state, NaN where they do not. What a record measures is not stated: an
            experience foretells it.
    """
    weights = np.zeros(neighbours.rows.shape, np.float32)
    own_ages, own_sexes, known_ages, known_sexes = ages(queries), sexes(queries), ages(training), sexes(training)
    known_rates = None if stated_rates is None else heart_rates(training)
    for start in range(0, len(weights), QUERIES_PER_BLOCK):
        block = slice(start, start + QUERIES_PER_BLOCK)
        rows, similarities = neighbours.rows[block], neighbours.similarities[block]
        near = gaussian(known_ages[rows] - own_ages[block, None], AGE_SCALE, UNKNOWN_AGE)
        if stated_rates is not None and known_rates is not None:
            own_rates = stated_rates[block, None]
            of_rate = gaussian(known_rates[rows] - own_rates, RATE_SCALE, UNKNOWN_RATE)
            near *= np.where(np.isnan(own_rates), 1.0, of_rate)
        other = known_sexes[rows] * own_sexes[block, None] < 0
        alike = (similarities / np.maximum(similarities[:, :1], 1e-9)) ** SHARPNESS
        of_block = alike * near * np.where(other, OTHER_SEX, 1.0)
        of_block = np.where(rows >= 0, of_block, 0.0)
        scaled = of_block / np.maximum(of_block.max(1, keepdims=True, initial=0.0), np.finfo(float).tiny)
        weights[block] = evened(scaled)
    return weights


def evened(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (n, k); where fewer than five neighbours, or half of them, have the say, a power of them that gives it.

    The effective number falls as the power rises, from all that have a weight at power 0, so bisection finds the
    greatest power at which it is enough. Else a diagnosis that one record alone has without others, such as third
    degree AV block, is told from that record: "52 bpm (51 to 52), in 10 records".
    """
    enough = np.minimum(ENOUGH, (weights > 0).sum(1) / 2)
    few = effective_number(weights) < enough
    steep, enough = weights[few], enough[few]
    low, high = np.zeros(len(steep)), np.ones(len(steep))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        suffices = effective_number(_to_power(steep, middle)) >= enough
        low, high = np.where(suffices, middle, low), np.where(suffices, high, middle)
    found = weights.copy()
    found[few] = _to_power(steep, low)
    return found


def _to_power(weights: NDArray[np.float64], powers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row to its power; no weight stays none."""
    return np.where(weights > 0, weights ** powers[:, None], 0.0)


def gaussian(apart: NDArray[np.float64], scale: float, unknown: float) -> NDArray[np.float64]:
    """exp(-apart² / 2 scale²); what is not known, NaN, counts as `unknown` apart."""
    return np.exp(-0.5 * (np.where(np.isnan(apart), unknown, apart) / scale) ** 2)


def effective_number(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """How many neighbours of equal weight would say as much, Kish's (Σw)² / Σw²: (..., k) to (...); 0 without any."""
    squares = np.einsum("...k,...k->...", weights, weights, dtype=np.float64)
    return weights.sum(-1, dtype=np.float64) ** 2 / np.where(squares > 0, squares, 1)
