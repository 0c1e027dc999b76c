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
        x: (records, 8, 1000), int16 µV; y: (records, classes).
        real: how many of x are real.
        synthetic: rows among the synthetic records; None where the arm has none.
        seen: training records that the study leaves out, and that the generator was trained on.
    """

    fold: int
    split: Split
    truth: Truth
    x: NDArray[np.int16]
    y: Truth
    real: int
    synthetic: Rows | None
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
        if made is None or made_truth is None:
            return cls(fold, split, truth, corpus.signals[rows], truth[rows], len(rows), None, seen)
        taken = np.flatnonzero(made_truth.any(1)) if arm.synthetic == "cases" else np.arange(len(made_truth))
        x = np.concatenate([corpus.signals[rows], made.signals[taken]])
        return cls(fold, split, truth, x, np.concatenate([truth[rows], made_truth[taken]]), len(rows), taken, seen)

    @property
    def synthetic_cases(self) -> NDArray[np.int16]:
        """Signals of the synthetic records that have the first class."""
        return self.x[self.real :][self.y[self.real :, 0]]

    def shown(self, oversampled: bool) -> Rows:
        """Rows of x, each as often as it is shown before any comes again."""
        return even(self.y) if oversampled else np.arange(len(self.y))

    def told(self) -> dict[str, int]:
        """Numbers of records and, where there is one class, of its cases."""
        tested = self.truth[self.split.tested]
        counts = {"real": self.real, "synthetic": len(self.y) - self.real, "tested": len(tested)}
        if self.y.shape[1] == 1:
            counts["real_cases"] = int(self.y[: self.real].sum())
            counts["synthetic_cases"] = int(self.y[self.real :].sum())
            counts["tested_cases"] = int(tested.sum())
        if self.synthetic is not None:
            counts |= {"left_out": len(self.split.left_out), "left_out_seen": self.seen}
        return counts
