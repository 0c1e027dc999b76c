"""When the heart beats: RR processes by rhythm, their dispersion fitted to records, and the phase they imply."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

SINUS, ARRHYTHMIA, FIBRILLATION, FLUTTER, ECTOPIC, TACHYCARDIA, PACED = RHYTHMS = (
    "sinus",
    "sinus arrhythmia",
    "fibrillation",
    "flutter",
    "ectopic",
    "supraventricular tachycardia",
    "paced",
)
# The first rhythm with a statement among a record's own is the record's rhythm.
STATEMENTS_OF = {
    FIBRILLATION: {"AFIB"},
    FLUTTER: {"AFLT"},
    TACHYCARDIA: {"SVTAC", "PSVT", "SVARR"},
    PACED: {"PACE"},
    ECTOPIC: {"PVC", "PAC", "PRC(S)", "BIGU", "TRIGU"},
    ARRHYTHMIA: {"SARRH"},
}
INDEPENDENT_INTERVALS = (FIBRILLATION, FLUTTER)
LOW_FREQUENCY, HIGH_FREQUENCY = 0.1, 0.25  # Hz: Mayer waves and breathing
FREQUENCY_SPREAD = 0.01  # Hz
LOW_TO_HIGH = 0.5  # ratio of their power
SHORTEST = 0.24  # s
EARLY = 0.8  # an interval below this share of the median ends in an ectopic beat
COUPLING = (0.55, 0.75)  # of RR
DISPERSIONS = (0.002, 0.6)  # RMSSD / mean RR


def rhythm_of(statements: Sequence[str]) -> str:
    """Rhythm that a set of SCP codes names; sinus where none does."""
    present = set(statements)
    return next((rhythm for rhythm, codes in STATEMENTS_OF.items() if codes & present), SINUS)


@dataclass(frozen=True)
class Dispersion:
    """RMSSD / mean RR of a rhythm, log-normal, and the share of early beats."""

    log_mean: float
    log_deviation: float
    early_share: float
    count: int


class RhythmModel:
    """Dispersion by rhythm, fitted to training records."""

    def __init__(self, dispersions: dict[str, Dispersion]) -> None:
        self.dispersions = dispersions

    @classmethod
    def fit(cls, statements: list[list[str]], r_peaks: Sequence[NDArray[np.float64]], min_records: int) -> Self:
        """Fit each rhythm that has `min_records`; the others take the dispersion of all records."""
        rhythms = np.array([rhythm_of(codes) for codes in statements])
        ratios, early = zip(*(_dispersion(np.diff(peaks)) for peaks in r_peaks), strict=True)
        dispersions = {}
        for rhythm in RHYTHMS:
            own = rhythms == rhythm
            rows = own if own.sum() >= min_records else np.ones(len(rhythms), bool)
            logs = np.log(np.clip(np.array(ratios)[rows], *DISPERSIONS))
            low, middle, high = np.percentile(logs, (16, 50, 84))
            share = float(np.array(early)[rows].mean())
            dispersions[rhythm] = Dispersion(float(middle), float(high - low) / 2, share, int(own.sum()))
        return cls(dispersions)

    def draw(self, statements: Sequence[str], rng: np.random.Generator) -> "Beats":
        """The rhythm of a set of statements, with a dispersion drawn from its distribution."""
        rhythm = rhythm_of(statements)
        dispersion = self.dispersions[rhythm]
        # An ectopic record's own dispersion comes from its early beats; between them it is as in sinus rhythm.
        spread = self.dispersions[SINUS] if rhythm == ECTOPIC else dispersion
        ratio = float(np.exp(rng.normal(spread.log_mean, spread.log_deviation)))
        return Beats(rhythm, float(np.clip(ratio, *DISPERSIONS)), dispersion.early_share)

    def save(self, folder: Path) -> None:
        """Write `rhythm.parquet`."""
        rows = [{"rhythm": name, **vars(dispersion)} for name, dispersion in self.dispersions.items()]
        pl.DataFrame(rows).write_parquet(folder / "rhythm.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        rows = pl.read_parquet(folder / "rhythm.parquet").to_dicts()
        return cls({row.pop("rhythm"): Dispersion(**row) for row in rows})


@dataclass(frozen=True)
class Beats:
    """How a record beats: its rhythm, RMSSD / mean RR between normal beats, and the share of early beats."""

    rhythm: str
    dispersion: float
    early_share: float = 0.0


def sample_r_peaks(
    beats: Beats, heart_rate: float, rng: np.random.Generator, duration: float = 10.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Draw R peaks that cover the window and a little more on both sides.

    Args:
        heart_rate: mean rate within the window, bpm.
        duration: s.

    Returns:
        Times in s and whether each beat is ectopic.
    """
    rr = 60.0 / heart_rate
    count = int(np.ceil(duration / rr)) + 2
    if beats.rhythm in INDEPENDENT_INTERVALS:
        intervals = _independent(count, rr, beats.dispersion, rng)
    else:
        intervals = _modulated(count, rr, beats.dispersion, rng)
    inside = max(1, int(duration / rr))  # intervals that lie within the window
    ectopic = np.zeros(count + 1, bool)
    if beats.rhythm == ECTOPIC:
        intervals, ectopic = _with_ectopics(intervals, beats.early_share, inside, rng)
    intervals = _with_mean(intervals, rr, inside)
    first = rng.uniform(0, min(rr, intervals[0]))
    times = first + np.concatenate([[0.0], np.cumsum(intervals)])
    lead_in = first - rr * np.array([2.0, 1.0])
    return np.concatenate([lead_in, times]), np.concatenate([[False, False], ectopic])


def phase(times: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """θ at times t (n,): 0 at each R peak, rising by 2π to the next, wrapped to [−π, π)."""
    turns = np.interp(t, times, np.arange(len(times)))
    return 2 * np.pi * (turns - np.floor(turns + 0.5))


def _dispersion(intervals: NDArray[np.floating]) -> tuple[float, float]:
    """RMSSD / mean RR, and the share of early intervals."""
    ratio = np.sqrt(np.mean(np.diff(intervals) ** 2)) / intervals.mean() if len(intervals) > 1 else DISPERSIONS[0]
    return float(ratio), float((intervals < EARLY * np.median(intervals)).mean())


def _with_mean(intervals: NDArray[np.float64], mean: float, inside: int) -> NDArray[np.float64]:
    """Bring the mean of the first intervals to what is asked; none becomes shorter than a heart can beat."""
    shortest = min(SHORTEST, 0.8 * mean)
    above = np.maximum(intervals - shortest, 1e-3 * mean)
    return shortest + above * (mean - shortest) / above[:inside].mean()


def _independent(count: int, rr: float, dispersion: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Intervals that do not know each other; RMSSD is √2 times their deviation."""
    spread = dispersion / np.sqrt(2)
    return rr * rng.gamma(1 / spread**2, spread**2, count)


def _modulated(count: int, rr: float, dispersion: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Intervals with the bimodal spectrum of McSharry's paper (eq. 4 to 6), scaled to the wanted RMSSD."""
    points = 4 * count
    frequency = np.fft.rfftfreq(points, d=rr)
    spread = max(FREQUENCY_SPREAD, 1 / (points * rr))
    power = LOW_TO_HIGH * np.exp(-0.5 * ((frequency - LOW_FREQUENCY) / spread) ** 2)
    power += np.exp(-0.5 * ((frequency - HIGH_FREQUENCY) / spread) ** 2)
    angle = rng.uniform(0, 2 * np.pi, len(frequency))
    series = np.fft.irfft(np.sqrt(power) * np.exp(1j * angle), points)[:count]
    steps = np.sqrt(np.mean(np.diff(series) ** 2))
    return rr + (series - series.mean()) * (dispersion * rr / steps if steps > 0 else 0.0)


def _with_ectopics(
    intervals: NDArray[np.float64], share: float, inside: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Move beats forward to their coupling interval, one of them inside the window; a pause behind makes up for it."""
    result, ectopic = intervals.copy(), np.zeros(len(intervals) + 1, bool)
    early = rng.random(len(intervals) - 2) < share
    early[rng.integers(max(1, inside - 2))] = True
    for position in np.flatnonzero(early):
        if ectopic[position]:
            continue
        coupled = rng.uniform(*COUPLING) * result[position]
        result[position + 1] += result[position] - coupled
        result[position] = coupled
        ectopic[position + 1] = True
    return result, ectopic
