"""Does the judge, trained on real records only, read what was asked?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
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
