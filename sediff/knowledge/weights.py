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


def neighbour_weights(neighbours: Neighbours, queries: pl.DataFrame, training: pl.DataFrame) -> NDArray[np.float32]:
    """w = (τ / τ₁)⁴ exp(-Δage² / 2·15²), times 0.6 for the other sex: (n, k), 0 where there is no neighbour.

    Args:
        neighbours: of n queries, rows of `training`; τ₁ is the best similarity of each.
        queries, training: profiles with `age` (years) and `sex`.
    """
    there, best = neighbours.rows >= 0, np.maximum(neighbours.similarities[:, :1], 1e-9)
    apart = np.abs(ages(training)[neighbours.rows] - ages(queries)[:, None])
    apart = np.where(np.isnan(apart), UNKNOWN_AGE, apart)
    other = sexes(training)[neighbours.rows] * sexes(queries)[:, None] < 0
    weights = (neighbours.similarities / best) ** SHARPNESS * np.exp(-0.5 * (apart / AGE_SCALE) ** 2)
    return np.where(there, weights * np.where(other, OTHER_SEX, 1.0), 0.0).astype(np.float32)
