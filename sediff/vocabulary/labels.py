"""Records as rows of labels: statements, superclasses, and which records have an equal set of statements."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.vocabulary.statements import SUPERCLASSES
from sediff.vocabulary.vocabulary import Vocabulary


def statement_labels(statements: Sequence[Sequence[str]], codes: Sequence[str]) -> NDArray[np.bool_]:
    """Which of `codes` each record has: (n, codes)."""
    return np.array([[code in row for code in codes] for row in statements], bool).reshape(-1, len(codes))


def superclass_labels(statements: Sequence[Sequence[str]], vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Which of `SUPERCLASSES` the statements of each record are of: (n, 5)."""
    return statement_labels([sorted(vocabulary.superclasses(row)) for row in statements], SUPERCLASSES)


def statement_sets(statements: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """A number for each record, equal where the sets of statements are: (n,)."""
    _, numbers = np.unique([" ".join(sorted(set(row))) for row in statements], return_inverse=True)
    return numbers.astype(np.int64)
