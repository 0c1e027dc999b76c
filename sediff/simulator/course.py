"""When atria and ventricles beat in one record: RR processes of each rhythm."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sediff.simulator.rhythm import (
    ATRIAL,
    ATRIAL_ECTOPIC,
    BIGEMINY,
    COMPLETE_BLOCK,
    ECTOPIC,
    FIBRILLATION,
    FLUTTER,
    NORMAL,
    PAUSE,
    SECOND_DEGREE,
    TACHYCARDIA,
    TRIGEMINY,
    VENTRICULAR,
    Beats,
)

WITHOUT_P = (FIBRILLATION, FLUTTER, TACHYCARDIA)
EVERY = {BIGEMINY: 2, TRIGEMINY: 3}  # one in so many beats is ectopic
WITH_ECTOPICS = (ECTOPIC, ATRIAL_ECTOPIC, *EVERY)
LOW_FREQUENCY, HIGH_FREQUENCY = 0.1, 0.25  # Hz: Mayer waves and breathing
FREQUENCY_SPREAD = 0.01  # Hz
LOW_TO_HIGH = 0.5  # ratio of their power
SHORTEST = 0.24  # s
STRETCHES = 4  # that are tried to meet a rate
NEAR = 1e-9  # share of RR by which its mean may miss
PAUSES = (1.8, 3.0)  # of RR, where the sinus node rests; in half of the records a beat is blocked and it is 2
WENCKEBACH = np.array([0.0, 0.10, 0.15, 0.18])  # s by which PR has grown, beat after beat, until one is dropped
CONDUCTION = (3, 6)  # of so many P waves, the last excluded, one is dropped
CLOSEST = 0.7  # of PP: in a block no P wave comes much earlier than usual
ATRIAL_RATES = (70.0, 100.0)  # bpm, in a complete block
FLUTTER_CYCLES = (0.18, 0.23)  # s
Times = NDArray[np.float64]


class Course(NamedTuple):
    """When a record beats, in s, over the window and a little more on both sides.

    Attributes:
        r_peaks: of all beats.
        kinds: of each beat, N, V (from the ventricles, wide) or S (early, from the atria).
        p_waves: for each P wave, when its R follows or would follow at the record's usual PR interval.
        flutter: begins of the flutter waves; empty without flutter.
    """

    r_peaks: Times
    kinds: NDArray[np.str_]
    p_waves: Times
    flutter: Times

    def stretched(self, factor: float, about: float) -> "Course":
        """The same beats at other times, slower by a factor, about a time in s that stays."""
        r_peaks, p_waves, flutter = (about + factor * (t - about) for t in (self.r_peaks, self.p_waves, self.flutter))
        return Course(r_peaks, self.kinds, p_waves, flutter)


def sample_course(beats: Beats, heart_rate: float, rng: np.random.Generator, duration: float = 10.0) -> Course:
    """Draw when a record beats.

    Args:
        heart_rate: mean rate within the window, bpm: 60 over the mean interval between its R peaks.
        duration: s.
    """
    return _at_rate(_sample(beats, heart_rate, rng, duration), 60.0 / heart_rate, duration)


def _sample(beats: Beats, heart_rate: float, rng: np.random.Generator, duration: float) -> Course:
    """A course whose mean rate is about what is asked: which beats the window holds is not known before."""
    rr = 60.0 / heart_rate
    count = int(np.ceil(duration / rr)) + 2
    inside = max(1, int(duration / rr))  # intervals that lie within the window
    if beats.rhythm == SECOND_DEGREE:
        return _second_degree(beats, rr, count, inside, rng)
    if beats.rhythm == FLUTTER:
        return _flutter(beats, rr, count, inside, rng)
    process = _independent if beats.rhythm == FIBRILLATION else _modulated
    intervals = process(count, rr, beats.dispersion, rng)
    ectopic = np.zeros(count + 1, bool)
    if beats.rhythm in WITH_ECTOPICS:
        intervals, ectopic = _with_ectopics(intervals, beats, inside, rng)
    elif beats.rhythm == PAUSE:
        intervals[rng.integers(max(1, inside - 1))] *= 2 if rng.random() < 0.5 else rng.uniform(*PAUSES)
    intervals = _with_mean(intervals, rr, inside)
    first = rng.uniform(0, min(rr, intervals[0]))
    times = first + np.concatenate([rr * np.array([-2.0, -1.0, 0.0]), np.cumsum(intervals)])
    kinds = np.full(len(times), NORMAL)
    kinds[2:][ectopic] = ATRIAL if beats.rhythm == ATRIAL_ECTOPIC else VENTRICULAR
    return Course(times, kinds, _p_waves(beats, times, kinds, rr, rng), np.empty(0))


def sample_r_peaks(
    beats: Beats, heart_rate: float, rng: np.random.Generator, duration: float = 10.0
) -> tuple[Times, NDArray[np.bool_]]:
    """R peaks of a course in s, and whether each beat is ectopic; see `sample_course`."""
    course = sample_course(beats, heart_rate, rng, duration)
    return course.r_peaks, course.kinds != NORMAL


def _at_rate(course: Course, rr: float, duration: float) -> Course:
    """Stretch a course about its first R peak until the mean interval of those in the window is `rr`.

    A stretch may move a beat over the window's end, so of a few the one that comes closest is taken.
    """
    best, least = course, np.inf
    for _ in range(STRETCHES + 1):
        mean, first = _mean_interval(course, duration)
        if abs(mean - rr) < least:
            best, least = course, abs(mean - rr)
        if least < NEAR * rr:
            break
        course = course.stretched(rr / mean, first)
    return best


def _mean_interval(course: Course, duration: float) -> tuple[float, float]:
    """Mean RR within the window, of all beats where it holds fewer than two, and the first R peak that counts."""
    inside = course.r_peaks[(course.r_peaks >= 0) & (course.r_peaks < duration)]
    counted = inside if len(inside) > 1 else course.r_peaks
    return _mean(_steps(counted)), float(counted[0])


def _p_waves(beats: Beats, times: Times, kinds: NDArray[np.str_], rr: float, rng: np.random.Generator) -> Times:
    """P waves of all but ventricular beats; in a complete block they march on by themselves."""
    if beats.rhythm in WITHOUT_P:
        return np.empty(0)
    if beats.rhythm != COMPLETE_BLOCK:
        return times[kinds != VENTRICULAR]
    pp = min(60 / rng.uniform(*ATRIAL_RATES), 0.8 * rr)
    count = int((times[-1] - times[0]) / pp) + 2
    return (
        times[0]
        + rng.uniform(0, pp)
        + np.cumsum(np.maximum(_modulated(count, pp, beats.dispersion, rng), CLOSEST * pp))
    )


def _second_degree(beats: Beats, rr: float, count: int, inside: int, rng: np.random.Generator) -> Course:
    """P waves of which one in a few is not conducted, after PR has grown (Wenckebach) or without notice (Mobitz II)."""
    period = int(rng.integers(*CONDUCTION))
    pp = rr * (period - 1) / period
    p_waves = np.cumsum(np.maximum(_modulated(2 * count + 6, pp, beats.dispersion, rng), CLOSEST * pp))
    place = (np.arange(len(p_waves)) + rng.integers(period)) % period
    grown = WENCKEBACH * min(1.0, pp / 0.8) if rng.random() < 0.5 else np.zeros(len(WENCKEBACH))
    conducted = place < period - 1
    r_peaks = p_waves[conducted] + grown[place[conducted]]
    scale = rr / np.diff(r_peaks)[2 : 2 + inside].mean()
    shift = rng.uniform(0, min(rr, scale * (r_peaks[2] - r_peaks[1]))) - scale * r_peaks[2]
    times = shift + scale * r_peaks[: count + 3]
    return Course(times, np.full(len(times), NORMAL), shift + scale * p_waves, np.empty(0))


def _flutter(beats: Beats, rr: float, count: int, inside: int, rng: np.random.Generator) -> Course:
    """Each RR holds a whole number of flutter waves, one more or less as often as the dispersion asks."""
    usual = max(1, round(rr / rng.uniform(*FLUTTER_CYCLES)))
    variance = min(0.5, (beats.dispersion * usual) ** 2)  # of successive differences, 2q(1 − q) at a share q of others
    share = 0.5 * (1 - np.sqrt(1 - 2 * variance))
    other = usual + 1 if usual == 1 or rng.random() < 0.5 else usual - 1
    waves = np.where(rng.random(count + 2) < share, other, usual)
    cycle = rr / waves[2 : 2 + inside].mean()
    times = np.concatenate([[0.0], np.cumsum(waves * cycle)])
    times += rng.uniform(0, min(rr, waves[2] * cycle)) - times[2]
    flutter = times[0] + cycle * np.arange(waves.sum() + 1)
    return Course(times, np.full(len(times), NORMAL), np.empty(0), flutter)


def _with_mean(intervals: Times, mean: float, inside: int) -> Times:
    """Bring the mean of the first intervals to what is asked; none becomes shorter than a heart can beat."""
    shortest = min(SHORTEST, 0.8 * mean)
    above = np.maximum(intervals - shortest, 1e-3 * mean)
    return shortest + above * (mean - shortest) / _mean(above[:inside])


def _independent(count: int, rr: float, dispersion: float, rng: np.random.Generator) -> Times:
    """Intervals that do not know each other, of a gamma distribution, scaled to the wanted RMSSD."""
    spread = dispersion / np.sqrt(2)  # RMSSD is √2 times the deviation
    return _with_rmssd(rng.gamma(1 / spread**2, spread**2, count), rr, dispersion)


def _modulated(count: int, rr: float, dispersion: float, rng: np.random.Generator) -> Times:
    """Intervals with the bimodal spectrum of McSharry's paper (eq. 4 to 6), scaled to the wanted RMSSD."""
    amplitude = _amplitude(4 * count, rr)
    angle = rng.uniform(0, 2 * np.pi, len(amplitude))
    series = np.fft.irfft(amplitude * np.exp(1j * angle), 4 * count)[:count]
    return _with_rmssd(series, rr, dispersion)


@lru_cache
def _amplitude(points: int, rr: float) -> NDArray[np.float64]:
    """Root of the spectrum's power, (points // 2 + 1,); all records of one rate share it."""
    frequency = np.fft.rfftfreq(points, d=rr)
    spread = max(FREQUENCY_SPREAD, 1 / (points * rr))
    power = LOW_TO_HIGH * np.exp(-0.5 * ((frequency - LOW_FREQUENCY) / spread) ** 2)
    power += np.exp(-0.5 * ((frequency - HIGH_FREQUENCY) / spread) ** 2)
    return np.asarray(np.sqrt(power))


def _with_rmssd(series: Times, rr: float, dispersion: float) -> Times:
    """Bring a series to the mean interval `rr` and the wanted RMSSD / mean RR."""
    steps = math.sqrt(_mean(_steps(series) ** 2))
    return rr + (series - _mean(series)) * (dispersion * rr / steps if steps > 0 else 0.0)


def _steps(times: Times) -> Times:
    """`np.diff`, several times faster for as few numbers as a record has beats; so is `_mean`."""
    return times[1:] - times[:-1]


def _mean(values: Times) -> float:
    return float(np.add.reduce(values)) / len(values)


def _with_ectopics(
    intervals: Times, beats: Beats, inside: int, rng: np.random.Generator
) -> tuple[Times, NDArray[np.bool_]]:
    """Move beats forward to their coupling interval; the pause behind makes up for it as far as `recovery` says.

    Beats are early by chance, at least one of them inside the window, or in a pattern.
    """
    result, ectopic, ectopy = intervals.copy(), np.zeros(len(intervals) + 1, bool), beats.ectopy
    if beats.rhythm in EVERY:
        every = EVERY[beats.rhythm]
        early = (np.arange(len(intervals) - 1) + rng.integers(every)) % every == 0
    else:
        early = rng.random(len(intervals) - 2) < beats.early_share
        early[rng.integers(max(1, inside - 2))] = True
    for position in np.flatnonzero(early):
        if ectopic[position]:
            continue
        usual, following = result[position], result[position + 1]
        coupled = rng.uniform(ectopy.earliest, ectopy.latest) * usual
        result[position + 1] += usual - coupled - (1 - ectopy.recovery) * (usual + following)
        result[position] = coupled
        ectopic[position + 1] = True
    return result, ectopic
