"""Intervals, amplitudes, ST and axis of the dominant beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.delineation.beats import Delineation
from sediff.delineation.waves import RATE
from sediff.ecg import LEADS, LIMB_LEADS

J_POINT_PLUS = 0.06  # s after the QRS's end at which ST is read
LEVEL = 0.016  # s before the QRS whose median is the isoelectric level
AVF_SCALE = 2 / np.sqrt(3)  # augmented leads are shorter than bipolar ones
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measurements:
    """What is measured on the dominant beat; NaN where the wave is missing. Intervals in ms, leads as `LEADS`.

    Attributes:
        qtcf: QT after Fridericia, QT / RR^(1/3) with the mean RR in s.
        axis: of the QRS in the frontal plane, degrees in (-180, 180], from the net areas of I and aVF.
        st: level at J + 60 ms, (12,) in mV against the segment before the QRS, as are the amplitudes:
            P and T the largest deflection, R the highest and S the lowest point of the QRS.
    """

    pr: float
    qrs_duration: float
    qt: float
    qtcf: float
    axis: float
    st: Floats
    p_amplitudes: Floats
    r_amplitudes: Floats
    s_amplitudes: Floats
    t_amplitudes: Floats


def measure(delineation: Delineation) -> Measurements:
    """Measure the dominant beat of a delineated record."""
    marks, nothing = delineation.marks, np.full(len(LEADS), np.nan)
    if not delineation.average.shape[1]:
        return Measurements(np.nan, np.nan, np.nan, np.nan, np.nan, *[nothing] * 5)
    onset, offset = int(marks.qrs_onset), int(marks.qrs_offset)
    beat = _twelve(delineation.average)
    beat = beat - np.median(beat[:, max(0, onset - round(LEVEL * RATE)) : onset + 1], axis=1, keepdims=True)
    qrs = beat[:, onset : offset + 1]
    qt = _milliseconds(marks.t_offset - marks.qrs_onset)
    return Measurements(
        pr=_milliseconds(marks.qrs_onset - marks.p_onset),
        qrs_duration=_milliseconds(marks.qrs_offset - marks.qrs_onset),
        qt=qt,
        qtcf=qt / float(np.mean(np.diff(delineation.r_peak))) ** (1 / 3),
        axis=_axis(qrs),
        st=_at(beat, offset + round(J_POINT_PLUS * RATE)),
        p_amplitudes=_deflection(beat, marks.p_onset, marks.p_offset),
        r_amplitudes=qrs.max(1).clip(min=0),
        s_amplitudes=qrs.min(1).clip(max=0),
        t_amplitudes=_deflection(beat, marks.qrs_offset + round(J_POINT_PLUS * RATE), marks.t_offset),
    )


def _twelve(eight: Floats) -> Floats:
    return np.concatenate([eight[:2], LIMB_LEADS @ eight[:2], eight[2:]])


def _axis(qrs: Floats) -> float:
    """The direction of the mean QRS vector, from I (0°) and aVF (90°)."""
    area = qrs.sum(1)
    return float(np.degrees(np.arctan2(AVF_SCALE * area[LEADS.index("aVF")], area[LEADS.index("I")])))


def _at(beat: Floats, sample: int) -> Floats:
    return beat[:, sample] if sample < beat.shape[1] else np.full(len(beat), np.nan)


def _deflection(beat: Floats, start: float, stop: float) -> Floats:
    """The sample that is furthest from the level, with its sign, in each lead."""
    if not stop > start:
        return np.full(len(beat), np.nan)
    part = beat[:, int(start) : int(stop) + 1]
    return part[np.arange(len(part)), np.abs(part).argmax(1)]


def _milliseconds(samples: float) -> float:
    return 1000 * samples / RATE
