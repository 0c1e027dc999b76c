"""What one classifier is trained on: signals, labels, and how many of them are real, synthetic, cases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.study.generators import Records
from sediff.study.plan import Arm
from sediff.study.rows import Rows, Split, Truth, even


@dataclass(frozen=True)
class Lesson:
    """The real records of a fold's training, then the synthetic ones.

    Attributes:
        truth: of each record of the corpus, (n, classes).
        rows, taken: of the corpus and of the synthetic records those that train; `taken` is None where none may.
        y: their classes, (records, classes).
        seen: training records that the study leaves out, and that the generator was trained on.
    """

    fold: int
    split: Split
    corpus: Records
    truth: Truth
    made: Records | None
    rows: Rows
    taken: Rows | None
    y: Truth
    seen: int

    @classmethod
    def of(
        cls,
        arm: Arm,
        fold: int,
        split: Split,
        corpus: Records,
        truth: Truth,
        made: Records | None,
        made_truth: Truth | None,
        seen: int,
    ) -> "Lesson":
        """Gather what an arm is trained on.

        Args:
            made, made_truth: the synthetic records and their classes, where the arm has some.
        """
        rows = split.training if arm.real else split.training[:0]
        if made_truth is None:
            return cls(fold, split, corpus, truth, made, rows, None, truth[rows], seen)
        taken = np.flatnonzero(made_truth.any(1)) if arm.synthetic == "cases" else np.arange(len(made_truth))
        y = np.concatenate([truth[rows], made_truth[taken]])
        return cls(fold, split, corpus, truth, made, rows, taken, y, seen)

    def x(self) -> NDArray[np.int16]:
        """Signals of the records, (records, 8, 1000), µV: a copy, which is large."""
        if self.made is None or self.taken is None:
            return self.corpus.signals[self.rows]
        return np.concatenate([self.corpus.signals[self.rows], self.made.signals[self.taken]])

    def synthetic_cases(self) -> NDArray[np.int16]:
        """Signals of the synthetic records that have the first class."""
        return self.x()[len(self.rows) :][self.y[len(self.rows) :, 0]]

    def shown(self, oversampled: bool) -> Rows:
        """Rows of x, each as often as it is shown before any comes again."""
        return even(self.y) if oversampled else np.arange(len(self.y))

    def told(self) -> dict[str, int]:
        """Numbers of records and, where there is one class, of its cases."""
        tested = self.truth[self.split.tested]
        counts = {"real": len(self.rows), "synthetic": len(self.y) - len(self.rows), "tested": len(tested)}
        if self.y.shape[1] == 1:
            counts["real_cases"] = int(self.y[: len(self.rows)].sum())
            counts["synthetic_cases"] = int(self.y[len(self.rows) :].sum())
            counts["tested_cases"] = int(tested.sum())
        if self.taken is not None:
            counts |= {"left_out": len(self.split.left_out), "left_out_seen": self.seen}
        return counts
