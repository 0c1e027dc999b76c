"""Statements with too few cases for a figure of their own, pooled so that how rare each is tells nothing.

A judge's logits of a common statement lie above those of a rare one, and so do its cases: pooled as they are, they
would look told apart though no statement's are. So a logit is first made its placement among the same statement's
controls (Hanley and Hajian-Tilaki 1997), which for controls is uniform whatever the statement; what is pooled are the
placements of all pairs of a record and a statement. Their AUROC is that adjusted for the statement (Janes and Pepe
2009): the mean over statements of AUROC, each by its cases. That of a judge who reads nothing is 0.5, and its AUPRC is
the prevalence among the pairs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from sediff.bootstrap import patient_draws
from sediff.evaluation.halves import SYNTHETIC
from sediff.evaluation.membership import with_interval

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """What records were asked for and how the judge reads them, both (n, statements), and their patients, (n,)."""

    truth: Truth
    logits: Floats
    patients: NDArray


def rare_statements(
    judged: Mapping[str, Judged], codes: Sequence[str], min_cases: int, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Cases of each statement that fewer than `min_cases` synthetic records were asked for, and the pool in each set.

    Args:
        judged: of each set; codes: of the statements; min_cases: that the pool needs too.
    """
    truth = judged[SYNTHETIC].truth
    cases = truth.sum(0)
    columns = [column for column, count in enumerate(cases) if 0 < count < min(min_cases, len(truth))]
    found: dict[str, Any] = {"statements": {codes[column]: int(cases[column]) for column in columns}}
    few = []
    for name, of_set in judged.items():
        labels, logits = of_set.truth[:, columns], of_set.logits[:, columns]
        if labels.sum() >= min_cases:
            found[name] = pooled_scores(labels, logits, patient_draws(of_set.patients, draws, rng))
        else:
            few.append(name)
    note = f"fewer than {min_cases} cases of all rare statements together"
    return found | ({"left_out": dict.fromkeys(few, note)} if few else {})


def placements(truth: Truth, logits: Floats) -> Floats:
    """Share of its statement's controls that each logit lies above, equal ones counting half: (n, statements)."""
    placed = np.empty(logits.shape)
    for column, of_statement in enumerate(logits.T):
        controls = np.sort(of_statement[~truth[:, column]])
        below = sum(np.searchsorted(controls, of_statement, side) for side in ("left", "right"))
        placed[:, column] = below / (2 * len(controls))
    return placed


def pooled_scores(truth: Truth, logits: Floats, drawn: Iterable[NDArray[np.intp]]) -> dict[str, Any]:
    """Pairs' number of cases and prevalence, and pooled AUROC and AUPRC with 95 % intervals.

    The intervals are over draws of the records, whose placements stay what they are among all controls.

    Args:
        truth: (n, statements), each with a case and a control; logits: of the same shape; drawn: rows of each draw.
    """
    placed = placements(truth, logits)
    draws = [rows for rows in drawn if truth[rows].any()]
    return {
        "cases": int(truth.sum()),
        "prevalence": float(truth.mean()),
        **{
            name: with_interval(score(truth, placed), [score(truth[rows], placed[rows]) for rows in draws])
            for name, score in (("auroc", _auroc), ("auprc", _auprc))
        },
    }


def _auroc(truth: Truth, placed: Floats) -> float:
    return float(placed[truth].mean())


def _auprc(truth: Truth, placed: Floats) -> float:
    return float(average_precision_score(truth.ravel(), placed.ravel()))
