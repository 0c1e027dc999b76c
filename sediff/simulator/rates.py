"""How the waves of real records move with heart rate: exponents for `ode.Waves.at_rate`.

A time in seconds that goes with RR^s lies on the limit cycle at an angle that goes with HR^(1 − s). ECGSYN's exponents
make QT go with RR^0.75; Fridericia's cube root, and the records, say about RR^0.35.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.simulator.ode import ECGSYN, WAVES, RateExponents

Marks = Sequence[Sequence[float | None]]  # of each record a time in s for each beat
SMALLEST_SPREAD = 0.05  # deviation of log RR: where all records beat alike there is no slope
OUTLIERS = 4.5  # median absolute deviations
ROUNDS = 3
P, T = WAVES.index("P"), WAVES.index("T")


@dataclass(frozen=True)
class Slope:
    """s of an interval that goes with RR^s, its standard error, and the records that it rests on."""

    slope: float
    error: float
    records: int


def fit_slope(rr: NDArray[np.floating], interval: NDArray[np.floating], min_records: int) -> Slope | None:
    """Least squares of log interval on log RR without outliers.

    Args:
        rr: mean RR of each record.
        interval: of each record, in any unit; NaN where it is not known.

    Returns:
        The slope; None of too few records, or of records that all beat alike.
    """
    with np.errstate(invalid="ignore"):
        known = np.isfinite(rr) & (interval > 0)
    x, y = np.log(rr[known]), np.log(interval[known])
    for _ in range(ROUNDS):
        if len(x) < max(min_records, 3) or x.std() < SMALLEST_SPREAD:
            return None
        slope, level = np.polyfit(x, y, 1)
        off = y - slope * x - level
        count = len(x)
        error = float(off.std() / (x.std() * np.sqrt(count - 2)))
        kept = np.abs(off) <= OUTLIERS * np.median(np.abs(off))
        x, y = x[kept], y[kept]
    return Slope(float(slope), error, count)


def fit_exponents(
    marks: Mapping[str, Marks], heart_rates: NDArray[np.floating], rows: NDArray[np.bool_], min_records: int
) -> tuple[RateExponents, dict[str, Slope]]:
    """Fit the exponents to the intervals of some records; ECGSYN's stay where there is no slope.

    Q, R and S go with the QRS duration, T with its end, P with its middle and its duration.

    Args:
        marks: `r_peaks`, `p_onsets`, `p_offsets`, `qrs_onsets`, `qrs_offsets`, `t_offsets` by record.
        heart_rates: bpm.
        rows: which records count, those of sinus rhythm.
        min_records: that a slope needs.
    """
    intervals = {
        "p_place": interval_of(marks, "p_onsets", "r_peaks") + interval_of(marks, "p_offsets", "r_peaks"),
        "p_duration": interval_of(marks, "p_onsets", "p_offsets"),
        "qrs_duration": interval_of(marks, "qrs_onsets", "qrs_offsets"),
        "t_end": interval_of(marks, "r_peaks", "t_offsets"),
    }
    fits = {name: fit_slope(60 / heart_rates[rows], values[rows], min_records) for name, values in intervals.items()}
    slopes = {name: slope for name, slope in fits.items() if slope}
    offset, width = ECGSYN.offset.clone(), ECGSYN.width.clone()
    for name, exponents, waves in (
        ("p_place", offset, P),
        ("p_duration", width, P),
        ("qrs_duration", offset, slice(P + 1, T)),
        ("qrs_duration", width, slice(P + 1, T)),
        ("t_end", offset, T),
        ("t_end", width, T),
    ):
        if name in slopes:
            exponents[waves] = 1 - slopes[name].slope
    return RateExponents(offset, width), slopes


def class_slopes(
    rr: NDArray[np.floating],
    t_ends: NDArray[np.floating],
    rows: Mapping[str, NDArray[np.bool_]],
    common: Slope | None,
    min_records: int,
) -> dict[str, float]:
    """How T's end goes with RR in each class, where it is known: steeper in hypertrophy and ischaemia.

    Args:
        rr, t_ends: of each record in s; NaN where not known.
        rows: which records are of a class.
        common: the slope of all classes; without it none has one of its own.
    """
    if common is None:
        return {}
    fits = {name: fit_slope(rr[own], t_ends[own], min_records) for name, own in rows.items()}
    return shrunk_slopes({name: slope for name, slope in fits.items() if slope}, common)


def with_slopes(common: RateExponents, slopes: Sequence[float | None]) -> RateExponents:
    """The common exponents with T's own where there is a slope of T's end: (n, 5)."""
    result = RateExponents(*(powers.repeat(len(slopes), 1) for powers in common))
    for row, slope in enumerate(slopes):
        if slope is not None:
            for powers in result:
                powers[row, T] = 1 - slope
    return result


def shrunk_slopes(slopes: Mapping[str, Slope], common: Slope) -> dict[str, float]:
    """Slopes of classes, each drawn towards the common one by what its error leaves open.

    Classes differ from it by a deviation τ, so a slope s of error e becomes a mean of s and the common one, weighted by
    1/e² and 1/τ²: empirical Bayes (Morris, J. Am. Stat. Assoc. 78:47, 1983).
    """
    off = np.array([of.slope - common.slope for of in slopes.values()])
    variance = np.array([of.error**2 for of in slopes.values()])
    between = variance_between(off, variance)
    kept = between / np.maximum(between + variance, np.finfo(float).tiny)
    return dict(zip(slopes, (common.slope + kept * off).tolist(), strict=True))


def variance_between(off: NDArray[np.floating], variance: NDArray[np.floating]) -> float:
    """τ² of values about 0 of variances e²: where Σ off² / (e² + τ²) is their number (Paule and Mandel 1982)."""

    def excess(between: float) -> float:
        return float((off**2 / (variance + between)).sum()) - len(off)

    from scipy.optimize import brentq  # it takes long to import, and only a fit needs it

    highest = float((off**2).sum())  # the sum is one at most there
    return float(brentq(excess, 0.0, highest)) if len(off) > 1 and excess(0.0) > 0 else 0.0


def interval_of(marks: Mapping[str, Marks], start: str, end: str) -> NDArray[np.float64]:
    """Median over beats from one mark to another, s, (records,); NaN where no beat has both."""
    result = np.full(len(marks[start]), np.nan)
    for record, (first, last) in enumerate(zip(marks[start], marks[end], strict=True)):
        between = np.array(last, np.float64) - np.array(first, np.float64)
        known = between[np.isfinite(between)]
        if len(known):
            result[record] = np.median(known)
    return result
