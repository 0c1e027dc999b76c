"""What records are labelled with: statements, superclasses, and which have an equal set of statements."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.encoder.judge import SUPERCLASSES
from sediff.evaluation.agreement import labels
from sediff.vocabulary import Vocabulary


def superclass_labels(statements: Sequence[Sequence[str]], vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Which of the five superclasses the statements of each record are of: (n, 5)."""
    return labels([sorted(vocabulary.superclasses(row)) for row in statements], SUPERCLASSES)


def statement_sets(statements: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """A number for each record, equal where the sets of statements are: (n,)."""
    _, numbers = np.unique([" ".join(sorted(set(row))) for row in statements], return_inverse=True)
    return numbers.astype(np.int64)
