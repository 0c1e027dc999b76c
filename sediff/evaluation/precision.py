"""Average precision over many statements and draws, fast enough for bootstraps."""

import numpy as np
from numpy.typing import NDArray


def mean_auprc(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Mean average precision over the statements that are there, as scikit-learn has it; NaN where none is.

    Args:
        truth: (n, statements); scores: the same shape, only their order counts.
    """
    cases = truth.any(0)
    if not cases.any():
        return float("nan")
    return float(np.mean([_average_precision(*of) for of in zip(truth.T[cases], scores.T[cases], strict=True)]))


def _average_precision(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Sum over the thresholds of the precision, each by the recall that it adds."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each run of equal scores
    hits = np.cumsum(truth[order])[last]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (last + 1)) / hits[-1])
