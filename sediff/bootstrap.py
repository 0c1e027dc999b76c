"""Bootstrap intervals. What is drawn are patients, as the records of one are alike."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def interval(values: Sequence[float]) -> dict[str, float]:
    """Median and 95 % interval of bootstrap values."""
    low, middle, high = np.percentile(values, (2.5, 50, 97.5))
    return {"median": float(middle), "low": float(low), "high": float(high)}


def patient_draws(patients: NDArray, draws: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Rows of the records of as many patients as there are, drawn with replacement, again and again.

    Args:
        patients: of each record, (n,).
    """
    unique, owner = np.unique(patients, return_inverse=True)
    rows_of = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    for _ in range(draws):
        yield np.concatenate([rows_of[patient] for patient in rng.integers(0, len(unique), len(unique))])
