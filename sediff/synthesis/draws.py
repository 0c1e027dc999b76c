"""Which training record's condition record i of a dataset has: functions of (seed, i), whatever the dataset's size."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
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


def fill_up(
    labels: NDArray[np.bool_], wanted: Mapping[int, int], *seed: object
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """What to draw, record by record, so that each class has as many records as wanted, those that are there counted.

    The class that has fewest comes next, and what is drawn for one counts for all classes that it is of. So more of
    every class begin with the same records.

    Args:
        labels: which of the classes each real record has, (records, classes).
        wanted: class to the number that it shall have.

    Returns:
        Of each record that is drawn its class, and the row of the real record whose condition it has: -1 where no real
        record is of the class.
    """
    have = labels.sum(0).tolist()
    classes_of = [np.flatnonzero(row).tolist() for row in labels]
    draws = {of: InRounds(np.flatnonzero(labels[:, of]), *seed, of) for of in wanted if have[of]}
    drawn_of, classes, rows, in_order = Counter[int](), array("i"), array("i"), sorted(wanted)
    for count in range(min((have[of] for of in in_order), default=0), max(wanted.values(), default=0)):
        for of in in_order:
            if have[of] > count or wanted[of] <= count:
                continue
            row = draws[of](drawn_of[of]) if of in draws else -1
            drawn_of[of] += 1
            for counted in classes_of[row] if row >= 0 else [of]:
                have[counted] += 1
            classes.append(of)
            rows.append(row)
    return np.asarray(classes, np.int32), np.asarray(rows, np.int32)
