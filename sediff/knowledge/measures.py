"""What experiences measure: names, leads and units, and the order in which they stand in every array."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS, LEADS

WAVES_PER_LEAD = 5  # P, Q, R, S, T, as `simulator.ode.WAVES` orders them
SCALARS = ("heart_rate", "rmssd", "pr", "qrs_duration", "qt", "qtcf", "axis")  # bpm, ms, degrees
VOLTAGES: Mapping[str, tuple[str, ...]] = {  # mV
    "amplitudes": INDEPENDENT_LEADS,  # peak to peak of the beat
    "p_amplitudes": LEADS,
    "r_amplitudes": LEADS,
    "s_amplitudes": LEADS,
    "t_amplitudes": LEADS,
    "st": LEADS,  # at J + 60 ms
}
MORPHOLOGY = ("theta", "a", "b")  # the simulator's, at 60 bpm: of each independent lead its waves
SIZES: Mapping[str, int] = {
    **dict.fromkeys(SCALARS, 1),
    **{name: len(leads) for name, leads in VOLTAGES.items()},
    **dict.fromkeys(MORPHOLOGY, len(INDEPENDENT_LEADS) * WAVES_PER_LEAD),
}
SLICES: Mapping[str, slice] = {
    name: slice(*ends) for name, ends in zip(SIZES, pairwise(accumulate(SIZES.values(), initial=0)), strict=True)
}
VALUES = sum(SIZES.values())
MEASURED = slice(0, SLICES[MORPHOLOGY[0]].start)  # all but the morphology
FITTED = slice(MEASURED.stop, VALUES)  # the morphology, whose values a record has all or none of
AXIS = SLICES["axis"].start


class Summary(NamedTuple):
    """Of one measure, (n, size) or (size,): quartiles, NaN where no neighbour has it, and how many have it."""

    low: NDArray[np.float32]
    median: NDArray[np.float32]
    high: NDArray[np.float32]
    known: NDArray[np.int32]

    @property
    def spread(self) -> NDArray[np.float32]:
        """Interquartile range."""
        return self.high - self.low


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the neighbours of n conditions have; of one condition, the same without the first axis.

    Attributes:
        counts: (n,) neighbours, whatever they weigh.
        shares: (n, statements) share, by weight, of the neighbours with each statement that the condition does not name
            itself, 0 for those that it names, in the order of `Vocabulary.codes`.
        low, median, high: (n, VALUES) quartiles, by weight, of what they measure, as `SLICES` orders it; NaN where none
            has it.
            The axis is an angle: its median is from -180 to 180, its quartiles are up to 180 beside it.
        known: (n, VALUES) how many of them have it, whatever they weigh.
    """

    counts: NDArray[np.int32]
    shares: NDArray[np.float32]
    low: NDArray[np.float32]
    median: NDArray[np.float32]
    high: NDArray[np.float32]
    known: NDArray[np.int32]

    def __getitem__(self, name: str) -> Summary:
        """One measure."""
        columns = SLICES[name]
        low, median, high = (part[..., columns] for part in (self.low, self.median, self.high))
        return Summary(low, median, high, self.known[..., columns])

    def row(self, index: int) -> "Statistics":
        """That of one condition."""
        return Statistics(*(getattr(self, field.name)[index] for field in fields(self)))

    def rows(self) -> Iterator["Statistics"]:
        """Those of each condition."""
        return map(self.row, range(len(self.counts)))

    def value(self, name: str) -> float | None:
        """The median of a single number, of one condition; None where no neighbour has it."""
        (median,) = self[name].median.tolist()
        return None if np.isnan(median) else median

    def __eq__(self, other: object) -> bool:
        """Equal arrays; NaN is equal to NaN."""
        return isinstance(other, Statistics) and all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name), equal_nan=True)
            for field in fields(self)
        )
