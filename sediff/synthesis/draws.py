"""Which training record's condition record i of a dataset has: functions of (seed, i), whatever the dataset's size."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sediff.seeds import seed_of

RARE_EVERY = 4  # one in so many records brings a set of statements that has not come yet


class Draw(Protocol):
    """Row of a table of real records whose condition the record at a position gets."""

    def __call__(self, position: int) -> int:
        """The row, 0 or more."""
        ...


class InRounds:
    """Rows in rounds, each of all rows in an order of its own, so that none comes twice before all came once."""

    def __init__(self, rows: Sequence[int] | NDArray[np.integer], *seed: object) -> None:
        self.rows, self.seed = np.asarray(rows), seed
        self._order = lru_cache(maxsize=2)(self._round)

    def __call__(self, position: int) -> int:
        number, place = divmod(position, len(self.rows))
        return int(self.rows[self._order(number)[place]])

    def _round(self, number: int) -> NDArray[np.integer]:
        return np.random.default_rng(seed_of(*self.seed, number)).permutation(len(self.rows))


class LikeCorpus:
    """Rows as often as they come in the corpus, with rare sets of statements brought forward.

    Every fourth record is of a set that has not come yet, the most frequent first, until each has come: at the latest
    after four times as many records as there are sets. All others are drawn in rounds, which keeps the joint
    distribution.
    """

    def __init__(self, sets: NDArray[np.integer], *seed: object) -> None:
        self._drawn = InRounds(np.arange(len(sets)), *seed)
        counts = np.bincount(sets)
        unseen = dict.fromkeys(np.lexsort((np.arange(len(counts)), -counts)).tolist())
        self._first: list[int] = []
        drawn = 0
        while unseen:
            if len(self._first) % RARE_EVERY == RARE_EVERY - 1:
                rare = next(iter(unseen))
                row = InRounds(np.flatnonzero(sets == rare), *seed, "set", rare)(0)
            else:
                row, drawn = self._drawn(drawn), drawn + 1
            unseen.pop(int(sets[row]), None)
            self._first.append(row)
        self._left_out = len(self._first) - drawn

    def __call__(self, position: int) -> int:
        if position < len(self._first):
            return self._first[position]
        return self._drawn(position - self._left_out)


def fill_up(labels: NDArray[np.bool_], wanted: dict[int, int], *seed: object) -> list[tuple[int, int, InRounds | None]]:
    """What to draw so that each class has as many records as wanted, those that are there counted.

    The rarest class comes first, and what is drawn for one counts for all classes that it is of.

    Args:
        labels: which of the classes each real record has, (records, classes).
        wanted: class to the number that it shall have.

    Returns:
        Class, number of records, and how their rows are drawn; None where no real record is of the class.
    """
    have = labels.sum(0).astype(np.int64)
    parts: list[tuple[int, int, InRounds | None]] = []
    for of in sorted(wanted, key=lambda of: (have[of], of)):
        missing = int(wanted[of] - have[of])
        if missing <= 0:
            continue
        rows = np.flatnonzero(labels[:, of])
        if not len(rows):
            parts.append((of, missing, None))
            have[of] += missing
            continue
        draw = InRounds(rows, *seed, of)
        rounds, rest = divmod(missing, len(rows))
        have += rounds * labels[rows].sum(0) + labels[[draw(rounds * len(rows) + i) for i in range(rest)]].sum(0)
        parts.append((of, missing, draw))
    return parts
