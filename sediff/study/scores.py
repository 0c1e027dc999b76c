"""What a cell's classifiers reach on the patients who are tested."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from sediff.bootstrap import interval, patient_draws

THRESHOLD = 0.5  # of F1: what a classifier says as it is
MEASURES = {
    "auroc": roc_auc_score,
    "auprc": average_precision_score,
    "f1": lambda truth, values: f1_score(truth, values > THRESHOLD, zero_division=0.0),
}
RANKING = ("auroc", "auprc")  # that have an interval


@dataclass(frozen=True)
class Tested:
    """Records that one classifier was tested on: truth and probabilities (n, classes), patients (n,)."""

    truth: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    patients: NDArray

    def at(self, rows: NDArray[np.intp]) -> "Tested":
        """Some of them."""
        return Tested(self.truth[rows], self.probabilities[rows], self.patients[rows])


def scores(tested: Sequence[Tested], names: Sequence[str], draws: int, rng: np.random.Generator) -> dict[str, Any]:
    """AUROC, AUPRC and F1, means over classes and folds; AUROC of each class; intervals over draws of patients.

    Args:
        tested: of each fold.
    """
    found: dict[str, Any] = {name: round(_mean(_values(tested, name)), 6) for name in MEASURES}
    found["by_class"] = {
        name: round(_mean(_values(tested, "auroc")[:, column]), 6) for column, name in enumerate(names)
    }
    drawn = list(zip(*(_drawn(fold, draws, rng) for fold in tested), strict=True))
    for name in RANKING:
        values = [_mean(_values(folds, name)) for folds in drawn]
        if told := [value for value in values if np.isfinite(value)]:  # the few patients with cases may not be drawn
            spread = interval(told)
            found[f"{name}_interval"] = [round(spread["low"], 6), round(spread["high"], 6)]
    return found


def _drawn(fold: Tested, draws: int, rng: np.random.Generator) -> Iterable[Tested]:
    return (fold.at(rows) for rows in patient_draws(fold.patients, draws, rng))


def _values(tested: Iterable[Tested], name: str) -> NDArray[np.float64]:
    """A measure of each fold and class, (folds, classes); NaN where one side is missing."""
    measure = MEASURES[name]
    return np.array(
        [
            [
                float(measure(truth, values)) if 0 < truth.sum() < len(truth) else np.nan
                for truth, values in zip(fold.truth.T, fold.probabilities.T, strict=True)
            ]
            for fold in tested
        ]
    )


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
