"""How much each neighbour counts in an experience: the more alike in profile, age and sex, the more.

A median over few records is noisy, one over many forgets who was asked for. Weights leave both: many are asked, and
those like the patient have the say. What the constants are worth: docs/results/experience.md.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.retrieval import Neighbours, ages, sexes

SHARPNESS = 4  # a neighbour with half of the best similarity counts a sixteenth
AGE_SCALE = 15.0  # years, the standard deviation of a Gaussian
UNKNOWN_AGE = 20.0  # years apart that count where an age is not known
OTHER_SEX = 0.6
QUERIES_PER_BLOCK = 10_000


def neighbour_weights(neighbours: Neighbours, queries: pl.DataFrame, training: pl.DataFrame) -> NDArray[np.float32]:
    """w = (τ / τ₁)⁴ exp(-Δage² / 2·15²), times 0.6 for the other sex: (n, k), 0 where there is no neighbour.

    Args:
        neighbours: of n queries, rows of `training`; τ₁ is the best similarity of each.
        queries, training: profiles with `age` (years) and `sex`.
    """
    weights = np.zeros(neighbours.rows.shape, np.float32)
    own_ages, own_sexes, known_ages, known_sexes = ages(queries), sexes(queries), ages(training), sexes(training)
    for start in range(0, len(weights), QUERIES_PER_BLOCK):
        block = slice(start, start + QUERIES_PER_BLOCK)
        rows, similarities = neighbours.rows[block], neighbours.similarities[block]
        apart = np.abs(known_ages[rows] - own_ages[block, None])
        apart = np.where(np.isnan(apart), UNKNOWN_AGE, apart)
        other = known_sexes[rows] * own_sexes[block, None] < 0
        alike = (similarities / np.maximum(similarities[:, :1], 1e-9)) ** SHARPNESS
        of_block = alike * np.exp(-0.5 * (apart / AGE_SCALE) ** 2) * np.where(other, OTHER_SEX, 1.0)
        weights[block] = np.where(rows >= 0, of_block, 0.0)
    return weights


def effective_number(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """How many neighbours of equal weight would say as much, Kish's (Σw)² / Σw²: (..., k) to (...); 0 without any."""
    squares = np.einsum("...k,...k->...", weights, weights, dtype=np.float64)
    return weights.sum(-1, dtype=np.float64) ** 2 / np.where(squares > 0, squares, 1)
