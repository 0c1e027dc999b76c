"""Intervals of a simulated beat: measured as a record's are, and brought to what is asked by warping time.

QRS and T are marked in a record of the beat. P is marked by the same shares of its height where it stands alone, for
the slow bumps that a fit has before QRS are taken for P waves where no noise covers them.

PR moves the P wave, which is made shorter where it would reach into QRS; QRS duration stretches what lies between the
QRS's marks about R; QT stretches what lies between the end of QRS and that of T. What is not asked for stays: PR, QRS,
and the time from the end of QRS to that of T.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.delineation import delineate
from sediff.delineation.beats import SMALLEST_RANGE
from sediff.delineation.waves import P_END, P_LOWEST, P_START
from sediff.diffusion.simulated import BUMP_R, BUMP_SAMPLES, RATE, beats_course, simulated_ecg
from sediff.ecg import DURATION, INDEPENDENT_LEADS, LEADS, SAMPLES, SAMPLING_RATE
from sediff.simulator.rhythm import NORMAL

ROUNDS = 5  # a warped beat is measured again, for its marks go with its slopes
SCALES = (0.4, 2.5)  # of QRS
SHORTEST_T = 0.1  # s from the end of QRS to that of T
P_GAP, SHORTEST_P = 0.015, 0.06  # s from the end of P to QRS at least, and of P itself
MISSING = 1000.0  # ms
TAU = (np.arange(BUMP_SAMPLES) - BUMP_R) / RATE
MIDDLE = 0.5 * DURATION


class Intervals(NamedTuple):
    """PR, QRS duration and QT in ms; None is not asked for."""

    pr: float | None = None
    qrs: float | None = None
    qt: float | None = None

    @property
    def asked(self) -> bool:
        """Whether any is."""
        return any(value is not None for value in self)


NONE_ASKED = Intervals()


class Places(NamedTuple):
    """Where waves of a beat begin and end, in s after R; NaN where there is no such wave."""

    p_onset: float
    p_offset: float
    qrs_onset: float
    qrs_offset: float
    t_offset: float

    @property
    def intervals(self) -> tuple[float, float, float]:
        """PR, QRS duration and QT in ms."""
        ends = (self.qrs_onset - self.p_onset, self.qrs_offset - self.qrs_onset, self.t_offset - self.qrs_onset)
        return (1000 * ends[0], 1000 * ends[1], 1000 * ends[2])


def measure_bumps(bumps: Tensor, heart_rate: float) -> Places:
    """Where the waves of bumps (3, 8, 220) lie in a regular record of a rate in bpm."""
    rr = 60 / heart_rate
    beats = np.arange(np.ceil(-DURATION / rr), DURATION / rr + 1)
    times = MIDDLE + rr * beats
    course = beats_course(times, [NORMAL] * len(times), [False] * len(times))
    signal = np.zeros((len(LEADS), SAMPLES))
    signal[[LEADS.index(lead) for lead in INDEPENDENT_LEADS]] = simulated_ecg(bumps[None], [course])[0].numpy()
    inside = times[(times > 0) & (times < DURATION)]
    found = delineate(signal, SAMPLING_RATE, inside)
    middle = int(np.abs(inside - MIDDLE).argmin())
    marks = (found.qrs_onset, found.qrs_offset, found.t_offset)
    return Places(*_p_wave(bumps.double().numpy()), *(float(mark[middle] - inside[middle]) for mark in marks))


def _p_wave(bumps: NDArray[np.float64]) -> tuple[float, float]:
    """Where the P wave of bumps (3, 8, 220) begins and ends, s after R."""
    ranges = np.maximum(np.ptp(bumps.sum(0), axis=-1, keepdims=True), SMALLEST_RANGE)
    height = np.sqrt(((bumps[0] / ranges) ** 2).mean(0))
    peak = int(np.argmax(height))
    if height[peak] < P_LOWEST:
        return np.nan, np.nan
    before = np.flatnonzero(height[:peak] <= P_START * height[peak])
    after = np.flatnonzero(height[peak:] <= P_END * height[peak])
    first = before[-1] if len(before) else 0
    return float(TAU[first]), float(TAU[peak + after[0]] if len(after) else TAU[-1])


def edit_bumps(bumps: Tensor, heart_rate: float, asked: Intervals) -> Tensor:
    """Bumps (3, 8, 220) whose measured intervals are what is asked, as nearly as a few rounds come.

    A PR without a P wave, or a QT without a T wave, cannot be edited.
    """
    tried = []
    for _ in range(ROUNDS):
        places = measure_bumps(bumps, heart_rate)
        tried.append((_off(places, asked), bumps))
        bumps = _warped(bumps, places, asked)
    tried.append((_off(measure_bumps(bumps, heart_rate), asked), bumps))
    return min(tried, key=lambda of: of[0])[1]


def _off(places: Places, asked: Intervals) -> float:
    """By how much the intervals that are asked for are missed, ms; one that is not there by a second."""
    pairs = zip(places.intervals, asked, strict=True)
    return sum(abs(float(np.nan_to_num(found, nan=MISSING)) - of) for found, of in pairs if of is not None)


def _warped(bumps: Tensor, places: Places, asked: Intervals) -> Tensor:
    p_onset, p_offset, qrs_onset, qrs_offset, t_offset = places
    if not qrs_offset > 0 > qrs_onset:
        return bumps
    scale = 1.0 if asked.qrs is None else asked.qrs / 1000 / (qrs_offset - qrs_onset)
    onset, offset = (float(np.clip(scale, *SCALES)) * end for end in (qrs_onset, qrs_offset))
    if not np.isfinite(t_offset):
        t_offset = qrs_offset + SHORTEST_T
    t_end = offset + t_offset - qrs_offset
    if asked.qt is not None:
        t_end = max(onset + asked.qt / 1000, offset + SHORTEST_T)
    p, *others = bumps.double().numpy()
    if np.isfinite(p_onset):
        pr = qrs_onset - p_onset if asked.pr is None else asked.pr / 1000
        shorter = min(1.0, max(pr - P_GAP, SHORTEST_P) / (p_offset - p_onset))
        p = _moved(p, p_onset + (TAU - (onset - pr)) / shorter)
    ends = (TAU[0], TAU[-1])
    old = np.array([ends[0], qrs_onset, qrs_offset, t_offset, ends[1]])
    new = np.array([ends[0] + onset - qrs_onset, onset, offset, t_end, ends[1] + t_end - t_offset])
    times = np.interp(TAU, new, old)
    return torch.from_numpy(np.stack([p, *(_moved(waves, times) for waves in others)])).to(bumps.dtype)


def _moved(waves: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Waves (8, 220) read at other times in s after R; beyond the beat they end as they do at its edge."""
    return np.stack([np.interp(times, TAU, lead) for lead in waves])
