"""Rhythms: which one a record's statements name, and how it beats, fitted to training records."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.records import read_table

(
    SINUS,
    ARRHYTHMIA,
    FIBRILLATION,
    FLUTTER,
    SUPRAVENTRICULAR,
    TACHYCARDIA,
    PACED,
    ECTOPIC,
    ATRIAL_ECTOPIC,
    BIGEMINY,
    TRIGEMINY,
    SECOND_DEGREE,
    COMPLETE_BLOCK,
    PAUSE,
) = RHYTHMS = (
    "sinus",
    "sinus arrhythmia",
    "fibrillation",
    "flutter",
    "supraventricular",
    "supraventricular tachycardia",
    "paced",
    "ectopic",
    "atrial ectopic",
    "bigeminy",
    "trigeminy",
    "second degree block",
    "complete block",
    "pause",
)
# The first rhythm with a statement among a record's own is the record's rhythm. A first degree block and
# pre-excitation are sinus rhythms whose P wave the morphology has at its place; no statement names a pause.
STATEMENTS_OF = {
    FIBRILLATION: {"AFIB"},
    FLUTTER: {"AFLT"},
    COMPLETE_BLOCK: {"3AVB"},
    SECOND_DEGREE: {"2AVB"},
    TACHYCARDIA: {"SVTAC", "PSVT"},
    PACED: {"PACE"},
    BIGEMINY: {"BIGU"},
    TRIGEMINY: {"TRIGU"},
    ECTOPIC: {"PVC", "PRC(S)"},
    ATRIAL_ECTOPIC: {"PAC"},
    SUPRAVENTRICULAR: {"SVARR"},
    ARRHYTHMIA: {"SARRH"},
}
# Sinus rhythms that something interrupts: between that they vary as sinus rhythm does.
INTERRUPTED = (ECTOPIC, ATRIAL_ECTOPIC, BIGEMINY, TRIGEMINY, SECOND_DEGREE, COMPLETE_BLOCK, PAUSE)
NORMAL, VENTRICULAR, ATRIAL = "N", "V", "S"  # kinds of beats, as the corpus names them
DISPERSIONS = (0.002, 0.6)  # RMSSD / mean RR
QUANTILES = 41  # by which its distribution is kept,
BANDS, IN_BAND = 10, 150  # in at most so many bands of heart rates, of at least so many records


def rhythm_of(statements: Sequence[str]) -> str:
    """Rhythm that a set of SCP codes names; sinus where none does."""
    present = set(statements)
    return next((rhythm for rhythm, codes in STATEMENTS_OF.items() if codes & present), SINUS)


@dataclass(frozen=True)
class RhythmFit:
    """How the records of one rhythm beat: RMSSD / mean RR falls with the heart rate and has a long tail.

    Attributes:
        rates: highest rate in bpm of each band of heart rates; the bands hold equally many records.
        dispersions: quantiles of RMSSD / mean RR in each band, evenly spaced from the 0th to the 100th.
        p_shares: the same of the share of a record's beats, ventricular ones aside, in which a P wave was found.
        early_share: of beats that are not normal ones.
        count: training records of the rhythm; where too few, the values are those of all records.
    """

    rates: Sequence[float]
    dispersions: Sequence[Sequence[float]]
    p_shares: Sequence[Sequence[float]]
    early_share: float
    count: int

    def dispersion(self, heart_rate: float, rng: np.random.Generator) -> float:
        """RMSSD / mean RR of one record at a mean rate in bpm."""
        return self._draw(self.dispersions, heart_rate, rng)

    def p_share(self, heart_rate: float, rng: np.random.Generator) -> float:
        """Share of one record's beats that have a P wave, at a mean rate in bpm."""
        return self._draw(self.p_shares, heart_rate, rng)

    def _draw(self, bands: Sequence[Sequence[float]], heart_rate: float, rng: np.random.Generator) -> float:
        band = bands[min(bisect_left(self.rates, heart_rate), len(self.rates) - 1)]
        return float(np.interp(rng.uniform(), _shares(len(band)), band))


@dataclass(frozen=True)
class Ectopy:
    """How early ectopic beats come, and when the next beat does.

    Attributes:
        earliest, latest: coupling interval as a share of the normal RR; drawn between them.
        recovery: coupling interval and pause together over twice the normal RR: 1 is a full compensatory pause.
        count: training beats that it was fitted to; 0 where they were too few.
    """

    earliest: float
    latest: float
    recovery: float
    count: int = 0


# Where too few beats tell. An atrial beat resets the sinus node, so its pause is shorter.
USUAL_ECTOPY = {VENTRICULAR: Ectopy(0.55, 0.75, 1.0), ATRIAL: Ectopy(0.6, 0.8, 0.93)}


@dataclass(frozen=True)
class Beats:
    """How a record beats: its rhythm, RMSSD / mean RR between normal beats, share and timing of ectopic beats, and
    the share of the other beats that have a P wave to be seen.
    """

    rhythm: str
    dispersion: float
    early_share: float = 0.0
    ectopy: Ectopy = USUAL_ECTOPY[VENTRICULAR]
    p_share: float = 1.0


class RhythmModel:
    """How each rhythm beats and the timing of ectopic beats by kind, fitted to training records."""

    def __init__(self, fits: dict[str, RhythmFit], ectopy: dict[str, Ectopy] | None = None) -> None:
        self.fits, self.ectopy = fits, ectopy or USUAL_ECTOPY

    @classmethod
    def fit(
        cls,
        statements: Sequence[Sequence[str]],
        r_peaks: Sequence[NDArray[np.float64]],
        kinds: Sequence[Sequence[str]],
        p_onsets: Sequence[Sequence[float | None]],
        min_records: int,
    ) -> Self:
        """Fit each rhythm that has `min_records`; the others take what all records do.

        Args:
            r_peaks, kinds: of each record its R peaks in s and what beats they are.
            p_onsets: and where their P waves begin, None where none was found.
            min_records: and beats, for the timing of an ectopic kind.
        """
        rhythms = np.array([rhythm_of(codes) for codes in statements])
        ratios = np.clip([_ratio(np.diff(peaks)) for peaks in r_peaks], *DISPERSIONS)
        early = np.array([np.mean(np.array(row) != NORMAL) for row in kinds])
        with_p = np.array([_p_share(*row) for row in zip(kinds, p_onsets, strict=True)])
        fits = {}
        rates = np.array([60 / np.diff(peaks).mean() for peaks in r_peaks])
        for rhythm in RHYTHMS:
            own = rhythms == rhythm
            rows = own if own.sum() >= min_records else np.ones(len(rhythms), bool)
            bands = _bands(rates[rows])
            dispersions, p_shares = (_quantiles(values[rows], bands) for values in (ratios, with_p))
            highest = [float(rates[rows][band].max()) for band in bands]
            fits[rhythm] = RhythmFit(highest, dispersions, p_shares, float(early[rows].mean()), int(own.sum()))
        return cls(fits, {kind: _fit_ectopy(kind, r_peaks, kinds, min_records) for kind in USUAL_ECTOPY})

    def draw(self, rhythm: str, heart_rate: float, rng: np.random.Generator) -> Beats:
        """A rhythm with a dispersion drawn from its distribution at a mean rate in bpm.

        In fibrillation no atrium contracts: a P wave that was found there is the delineator's mistake.
        """
        fit = self.fits[rhythm]
        ratio = self.fits[SINUS if rhythm in INTERRUPTED else rhythm].dispersion(heart_rate, rng)
        ectopy = self.ectopy[ATRIAL if rhythm == ATRIAL_ECTOPIC else VENTRICULAR]
        p_share = 0.0 if rhythm == FIBRILLATION else fit.p_share(heart_rate, rng)
        return Beats(rhythm, ratio, fit.early_share, ectopy, p_share)

    def save(self, folder: Path) -> None:
        """Write `rhythm.parquet` and `ectopy.parquet`."""
        rows = [{"rhythm": name, **vars(fit)} for name, fit in self.fits.items()]
        pl.DataFrame(rows).write_parquet(folder / "rhythm.parquet")
        rows = [{"kind": kind, **vars(ectopy)} for kind, ectopy in self.ectopy.items()]
        pl.DataFrame(rows).write_parquet(folder / "ectopy.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        rows = read_table(folder / "rhythm.parquet").to_dicts()
        kinds = read_table(folder / "ectopy.parquet").to_dicts()
        return cls(
            {row.pop("rhythm"): RhythmFit(**row) for row in rows},
            {row.pop("kind"): Ectopy(**row) for row in kinds},
        )


def beat_at(times: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which of the beats with R peaks at `times` each time t (n,) belongs to: that of the nearest phase."""
    turns = np.interp(t, times, np.arange(len(times)))
    return np.floor(turns + 0.5).astype(np.intp)


def phase(times: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """θ at times t (n,): 0 at each R peak, rising by 2π to the next, wrapped to [−π, π)."""
    turns = np.interp(t, times, np.arange(len(times)))
    return 2 * np.pi * (turns - np.floor(turns + 0.5))


def _ratio(intervals: NDArray[np.floating]) -> float:
    """RMSSD / mean RR."""
    return float(np.sqrt(np.mean(np.diff(intervals) ** 2)) / intervals.mean()) if len(intervals) > 1 else DISPERSIONS[0]


def _p_share(kinds: Sequence[str], p_onsets: Sequence[float | None]) -> float:
    """Share of a record's beats with a P wave; ventricular ones and the first, whose P may lie outside, aside."""
    beats = list(zip(kinds, p_onsets, strict=True))
    return float(np.mean([onset is not None for kind, onset in beats[1:] if kind != VENTRICULAR] or [False]))


def _bands(rates: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Rows of each band of heart rates, the slowest first."""
    return np.array_split(np.argsort(rates, kind="stable"), min(BANDS, max(1, len(rates) // IN_BAND)))


@cache
def _shares(count: int) -> NDArray[np.float64]:
    """Shares of the records at which quantiles are kept."""
    return np.linspace(0, 1, count)


def _quantiles(values: NDArray[np.float64], bands: Sequence[NDArray[np.intp]]) -> list[list[float]]:
    return [np.quantile(values[band], _shares(QUANTILES)).tolist() for band in bands]


def _fit_ectopy(
    kind: str, r_peaks: Sequence[NDArray[np.float64]], kinds: Sequence[Sequence[str]], min_beats: int
) -> Ectopy:
    """Timing of the lone beats of one kind between normal ones, against the normal RR of their record."""
    coupling, both = [], []
    for peaks, row in zip(r_peaks, kinds, strict=True):
        if kind not in row:
            continue
        intervals, normal = np.diff(peaks), np.array(row) == NORMAL
        regular = intervals[normal[1:] & normal[:-1]]
        if len(regular):
            lone = np.flatnonzero(normal[:-2] & (np.array(row)[1:-1] == kind) & normal[2:])
            coupling += (intervals[lone] / np.median(regular)).tolist()
            both += ((intervals[lone] + intervals[lone + 1]) / (2 * np.median(regular))).tolist()
    early = np.array(coupling) < 1
    if early.sum() < min_beats:
        return USUAL_ECTOPY[kind]
    earliest, latest = np.percentile(np.array(coupling)[early], (10, 90))
    return Ectopy(float(earliest), float(latest), float(np.median(np.array(both)[early])), int(early.sum()))
