"""Attribute inference: what the synthetic records most like a person's ECG tell of that person.

An ECG shows sex, age and disease by itself, so synthetic records of any sound generator tell something of strangers
too. What training has given away is what they tell more of members.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.bootstrap import patient_draws
from sediff.evaluation.membership import auc, with_interval
from sediff.vocabulary import Vocabulary

FEWEST = 10  # records with an attribute, and without it, on each side
FEW = f"fewer than {FEWEST} records with it, or without it, on one side"
SENSITIVE = "MI"  # PTB-XL's superclass: what an insurer would like to know
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Guessed:
    """Scores (n,), higher for what is taken to have the attribute, whether it does, and the patients."""

    scores: Floats
    truth: NDArray[np.bool_]
    patients: NDArray

    def drawn(self, rows: NDArray) -> "Guessed":
        """Some of the records, maybe several times."""
        return Guessed(self.scores[rows], self.truth[rows], self.patients[rows])

    @property
    def fewest(self) -> int:
        """Records with the attribute or without it, whichever are fewer."""
        return int(min(self.truth.sum(), (~self.truth).sum()))

    @property
    def auc(self) -> float:
        """Of guessing the attribute; NaN where all have it, or none."""
        return auc(self.scores[self.truth], self.scores[~self.truth]) if self.fewest else float("nan")


def attributes_of(rows: pl.DataFrame, vocabulary: Vocabulary, age: float) -> dict[str, Floats]:
    """Whether each record, (n,), has each attribute, 1 or 0; NaN where it is not known.

    Args:
        rows: with sex, age and statements; age: years beyond which a person counts as old.
    """
    sex = rows["sex"].fill_null("").to_numpy()
    years = rows["age"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return {
        "female": np.where(sex == "female", 1.0, np.where(sex == "male", 0.0, np.nan)),
        "older": np.where(np.isfinite(years), years > age, np.nan),
        "infarction": np.array([SENSITIVE in vocabulary.superclasses(codes) for codes in rows["statements"]], float),
    }


def attributes(
    rows: pl.DataFrame,
    members: int,
    made: pl.DataFrame,
    alike: NDArray[np.float32],
    vocabulary: Vocabulary,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """For each attribute the AUC of guessing it, of members and of strangers, and how much higher that of members is.

    The score is the best correlation with a synthetic record that has the attribute, less that with one that has not.

    Args:
        rows: of those attacked, the first `members` of whom are members; made: of the synthetic records.
        alike: correlation of each with each, (n, m).
    """
    ages = rows["age"].cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
    age = float(np.median(ages)) if len(ages) else 0.0
    own, of_made = (attributes_of(of, vocabulary, age) for of in (rows, made))
    patients = rows["patient_id"].to_numpy()
    found: dict[str, Any] = {}
    for name, truth in own.items():
        having, lacking = (of_made[name] == value for value in (1, 0))
        if not (having.any() and lacking.any()):
            found[name] = {"left_out": "the synthetic records all have it, or none has"}
            continue
        scores = (alike[:, having].max(1) - alike[:, lacking].max(1)).astype(float)
        known, is_member = np.isfinite(truth), np.arange(len(rows)) < members
        sides = [
            Guessed(scores[side], truth[side] == 1, patients[side]) for side in (known & is_member, known & ~is_member)
        ]
        few = min(side.fewest for side in sides) < FEWEST
        found[name] = {"left_out": FEW} if few else advantage(sides[0], sides[1], draws, rng)
    return found


def advantage(members: Guessed, strangers: Guessed, draws: int, rng: np.random.Generator) -> dict[str, Any]:
    """How much better a guess is of members than of strangers: both AUCs, and their difference's interval."""
    pairs = zip(*(patient_draws(side.patients, draws, rng) for side in (members, strangers)), strict=True)
    drawn = [members.drawn(one).auc - strangers.drawn(other).auc for one, other in pairs]
    difference = with_interval(members.auc - strangers.auc, [value for value in drawn if np.isfinite(value)])
    return {"members": members.auc, "strangers": strangers.auc, "advantage": difference}
