"""Does the judge, trained on real records only, read what was asked?"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score


def scores(truth: NDArray[np.bool_], probabilities: NDArray[np.float64], codes: Sequence[str], min_cases: int) -> dict:
    """AUROC and AUPRC of each statement with enough cases on both sides, and their means; {} where none has."""
    by_code = {}
    for column, code in enumerate(codes):
        cases = int(truth[:, column].sum())
        if min_cases <= cases <= len(truth) - min_cases:
            by_code[code] = {
                "cases": cases,
                "auroc": float(roc_auc_score(truth[:, column], probabilities[:, column])),
                "auprc": float(average_precision_score(truth[:, column], probabilities[:, column])),
            }
    if not by_code:
        return {}
    means = {name: float(np.mean([value[name] for value in by_code.values()])) for name in ("auroc", "auprc")}
    return {**means, "statements": by_code}


def mean_auroc(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Mean AUROC over the statements that are there both ways, from ranks; NaN where none is.

    Args:
        truth: (n, statements); scores: the same shape, only their order counts.
    """
    cases = truth.sum(0)
    both = (cases > 0) & (cases < len(truth))
    if not both.any():
        return float("nan")
    ranks = np.where(truth[:, both], rankdata(scores[:, both], axis=0), 0).sum(0)
    positive = cases[both].astype(np.float64)
    return float(np.mean((ranks - positive * (positive + 1) / 2) / (positive * (len(truth) - positive))))


Mean = Callable[[NDArray[np.bool_], NDArray[np.float64]], float]


def ratio_to_real(
    mean: Mean,
    truth: NDArray[np.bool_],
    logits: NDArray[np.float64],
    real: NDArray[np.float64],
    drawn: Iterable[NDArray[np.intp]],
) -> tuple[float, list[float]]:
    """`mean_auroc` or `mean_auprc` over that of the same conditions' real records: of all rows, and of the draws
    that can tell it.

    Args:
        truth, logits, real: (n, statements), rows aligned; drawn: rows of each draw.
    """

    def ratio(rows: NDArray[np.intp]) -> float:
        of_real = mean(truth[rows], real[rows])
        return mean(truth[rows], logits[rows]) / of_real if of_real else float("nan")

    of_draws = [ratio(rows) for rows in drawn]
    return ratio(np.arange(len(truth))), [value for value in of_draws if np.isfinite(value)]
