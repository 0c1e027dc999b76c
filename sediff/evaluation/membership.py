"""Whether scores tell records that a model was trained on from records of the same source that it was not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sediff.bootstrap import interval, patient_draws

FALSE_POSITIVES = 0.01
SHARES = ("auc", "tpr")
TELLING = 0.55  # AUC: an attack whose 95 % interval lies above it tells members, however few the strangers
Scores = NDArray[np.float64]
Attack = dict[str, dict[str, float]]


def auc(positives: Scores, negatives: Scores) -> float:
    """Probability that a positive's score is above a negative's; equal ones count half."""
    ranks = rankdata(np.concatenate([positives, negatives]))[: len(positives)]
    return float((ranks.mean() - (len(positives) + 1) / 2) / len(negatives))


@dataclass(frozen=True)
class Scored:
    """Scores of an attack, higher for what it takes for a member: of members and of strangers, with their patients."""

    members: Scores
    strangers: Scores
    member_patients: NDArray
    stranger_patients: NDArray

    def drawn(self, members: NDArray[np.intp], strangers: NDArray[np.intp]) -> "Scored":
        """Some of the records, maybe several times."""
        return Scored(
            self.members[members],
            self.strangers[strangers],
            self.member_patients[members],
            self.stranger_patients[strangers],
        )

    @property
    def auc(self) -> float:
        """Probability that a member's score is above a stranger's; equal ones count half."""
        return auc(self.members, self.strangers)

    @property
    def tpr(self) -> float:
        """Share of the members above the score that at most one in a hundred strangers exceeds."""
        allowed = int(FALSE_POSITIVES * len(self.strangers))
        return float((self.members > np.sort(self.strangers)[-1 - allowed]).mean())


def attack(scored: Scored, draws: int, rng: np.random.Generator) -> Attack:
    """AUC and true positives at 1 % false positives, each with its 95 % interval over draws of patients."""
    pairs = zip(
        patient_draws(scored.member_patients, draws, rng),
        patient_draws(scored.stranger_patients, draws, rng),
        strict=True,
    )
    drawn = np.array([(one.auc, one.tpr) for one in (scored.drawn(*pair) for pair in pairs)])
    return {name: with_interval(getattr(scored, name), of.tolist()) for name, of in zip(SHARES, drawn.T, strict=True)}


def with_interval(value: float, drawn: Sequence[float]) -> dict[str, float]:
    """A value with the 95 % interval of what draws made of it."""
    spread = interval(drawn)
    return {"value": value, "low": spread["low"], "high": spread["high"]}


def worst(attacks: Iterable[Attack]) -> dict[str, float]:
    """What the audit is judged by: the largest upper limit of an AUC, and the largest share of true positives."""
    found = list(attacks)
    return {"auc_high": max(one["auc"]["high"] for one in found), "tpr": max(one["tpr"]["value"] for one in found)}


def is_proven(attacks: Iterable[Attack]) -> bool:
    """Whether an attack tells members for certain."""
    return any(one["auc"]["low"] > TELLING for one in attacks)
