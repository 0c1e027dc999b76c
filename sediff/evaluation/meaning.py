"""Whether the judges, trained on real records only, read in synthetic ones what was asked, as they do in real ones."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from sediff.bootstrap import interval, patient_draws
from sediff.evaluation.agreement import scores
from sediff.evaluation.evidence import MIN_CASES, Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC
from sediff.vocabulary import statement_labels


def meaning(evidence: Evidence) -> dict[str, Any]:
    """Statements that the judge reads, and the CLIP score."""
    return {"agreement": _agreement(evidence), "clip": _clip(evidence)}


def _agreement(evidence: Evidence) -> dict[str, Any]:
    """The judge on synthetic records, on the same conditions' reconstructed and real ones, on shuffled conditions."""
    judge, made = evidence.judges.statement, evidence.made
    truth = statement_labels(made.rows["statements"].to_list(), judge.codes)
    of_conditions = truth[evidence.conditions.first]
    on_synthetic = judge.probabilities(made.leads)
    on_sets = {name: judge.probabilities(evidence.sets[name].leads) for name in (RECONSTRUCTED, REAL)}
    shuffled = truth[evidence.rng(1).permutation(len(truth))]
    result: dict[str, Any] = {}
    for name, labels, probabilities in (
        (SYNTHETIC, truth, on_synthetic),
        (RECONSTRUCTED, of_conditions, on_sets[RECONSTRUCTED]),
        (REAL, of_conditions, on_sets[REAL]),
        ("shuffled", shuffled, on_synthetic),
    ):
        found = scores(labels, probabilities, judge.codes, MIN_CASES)
        if found:
            result |= {f"auroc_{name}": found["auroc"], f"auprc_{name}": found["auprc"]}
        if name == SYNTHETIC and found:
            result["statements"] = found["statements"]
    drawn = patient_draws(evidence.patients, evidence.params.bootstraps, evidence.rng(40))
    sets = {SYNTHETIC: on_synthetic[evidence.conditions.first], **on_sets}
    return result | auroc_over_real(of_conditions, sets, drawn)


def auroc_over_real(
    truth: NDArray[np.bool_], probabilities: Mapping[str, NDArray[np.float64]], drawn: Iterable[NDArray[np.intp]]
) -> dict[str, Any]:
    """Mean AUROC of the judge on each set over that on the real records of the same conditions.

    Statements with `MIN_CASES` on both sides count, in all sets the same; {} where none has.

    Args:
        truth: (n, statements); probabilities: of each set, the same shape; drawn: bootstrap draws of rows.
    """
    cases = truth.sum(0)
    columns = np.flatnonzero((cases >= MIN_CASES) & (cases <= len(truth) - MIN_CASES))
    if not len(columns):
        return {}
    whole = {name: _mean_auroc(truth, of_set, columns) for name, of_set in probabilities.items()}
    ratios: dict[str, list[float]] = {name: [] for name in probabilities if name != REAL}
    for rows in drawn:
        real = _mean_auroc(truth[rows], probabilities[REAL][rows], columns)
        for name, values in ratios.items():
            values.append(_mean_auroc(truth[rows], probabilities[name][rows], columns) / real)
    return {
        "over_real": {name: {"ratio": whole[name] / whole[REAL], **interval(of)} for name, of in ratios.items()},
    }


def _mean_auroc(truth: NDArray[np.bool_], probabilities: NDArray[np.float64], columns: NDArray[np.intp]) -> float:
    """Over the statements that are there both ways."""
    both = [c for c in columns if 0 < truth[:, c].sum() < len(truth)]
    return float(np.mean([roc_auc_score(truth[:, c], probabilities[:, c]) for c in both]))


def _clip(evidence: Evidence) -> dict[str, Any]:
    """The CLIP score of judge (c): mean cosine of text and ECG, of synthetic, real and wrongly paired records."""
    text, made = evidence.judges.text, evidence.made
    real, conditions = evidence.sets[REAL], evidence.conditions
    texts = text.texts(text.encode(made.rows["text"].to_list(), evidence.vocabulary))
    on_synthetic = text.ecgs(made.leads)
    shuffled = on_synthetic[evidence.rng(4).permutation(len(on_synthetic))]
    of_made = evidence.patients[conditions.partner]
    result: dict[str, Any] = {"records": len(texts), "real_records": len(evidence.patients)}
    for name, asked, ecgs, patients in (
        (SYNTHETIC, texts, on_synthetic, of_made),
        (RECONSTRUCTED, texts[conditions.first], text.ecgs(evidence.sets[RECONSTRUCTED].leads), evidence.patients),
        (REAL, texts[conditions.first], text.ecgs(real.leads), evidence.patients),
        ("shuffled", texts, shuffled, of_made),
    ):
        cosine = (asked * ecgs).sum(1)
        drawn = patient_draws(patients, evidence.params.bootstraps, evidence.rng(7))
        result[name] = {"mean": float(cosine.mean()), **interval([float(cosine[rows].mean()) for rows in drawn])}
    return result
