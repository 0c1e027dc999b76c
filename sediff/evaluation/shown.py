"""Which synthetic records are shown beside real ones: by rule, so that nobody picks the good ones."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.evaluation.evidence import Evidence
from sediff.vocabulary import Vocabulary, statement_labels

ALWAYS = ("AFIB", "CLBBB", "PVC")  # hard to make, and rare: the most frequent conditions are sinus rhythms
INFARCTION = "MI"
WORST = 3


def shown(
    statements: Sequence[Sequence[str]], doubt: NDArray[np.float64], vocabulary: Vocabulary, ordinary: int
) -> dict[int, str]:
    """Rows of records for pictures, in their order, and why each is shown.

    The first of each of the `ordinary` most frequent conditions; the first with each statement of `ALWAYS`, and with an
    infarction, as far as any has it; and the worst, which the judge doubts most. One that two rules name is shown once.

    Args:
        statements: of each record; doubt: of each, (n,).
    """
    conditions = [tuple(codes) for codes in statements]
    frequent = sorted(Counter(conditions).items(), key=lambda item: (-item[1], item[0]))
    chosen = {conditions.index(condition): "first of its condition" for condition, _ in frequent[:ordinary]}
    having = {vocabulary[code].name: statement_labels(statements, (code,))[:, 0] for code in ALWAYS}
    having["infarction"] = np.array([INFARCTION in vocabulary.superclasses(codes) for codes in conditions])
    for name, has in having.items():
        if has.any():
            chosen.setdefault(int(has.argmax()), f"first with {name}")
    worst = np.argsort(-doubt, kind="stable")[:WORST].tolist()
    return chosen | {row: f"worst, {place} of {len(worst)}: the judge doubts it" for place, row in enumerate(worst, 1)}


def doubts(evidence: Evidence) -> NDArray[np.float64]:
    """Cross-entropy of what the statement judge reads in each synthetic record with what was asked of it, (n,)."""
    made, judge = evidence.made, evidence.judges.statement
    truth = statement_labels(made.rows["statements"].to_list(), judge.codes)
    probability = judge.probabilities(made.leads)
    return -np.where(truth, np.log(probability + 1e-6), np.log(1 - probability + 1e-6)).sum(1)
