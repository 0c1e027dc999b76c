"""Delineation of one record: its beats are grouped by shape, and each group's average is marked."""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.delineation.waves import NO_MARKS, RATE, Marks, mark
from sediff.ecg import independent_leads
from sediff.filters import band_pass

BEFORE, AFTER = 0.45, 0.70  # s around R that a beat holds
BEFORE_SHARE, AFTER_SHARE = 0.55, 0.85  # of the RR interval
SAME_SHAPE = 0.85  # correlation of two beats' QRS over all leads
QRS_REACH = 0.08  # s around R that are compared
BASELINE = 0.5  # Hz
SMALLEST_RANGE = 0.1  # mV: a lead that has less is not raised to the others
SPIKE_REACH, SPIKE_HEIGHT = 0.01, 0.08  # s, share of the lead's range: a pacemaker's spike is narrower, higher

PREMATURE = 0.85  # share of the median RR
WIDE = 1.2  # times the dominant beat's QRS
IRREGULAR = 0.1  # irregularity from which on early beats say nothing
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Delineation:
    """All beats of one record, in order; times in seconds, NaN where there is no such wave within the record.

    Attributes:
        r_peak: with sub-sample position; of one shape always the same place of the beat.
        shape: number of the group of like beats, 0 the largest.
        kind: "N", "V" (another shape, and wide) or "S" (early, of the dominant shape), after AAMI EC57.
        average: the dominant shape's average beat, (8, samples) in mV at 500 Hz; empty with fewer than two beats.
        marks: its marks.
    """

    r_peak: Floats
    p_onset: Floats
    p_offset: Floats
    qrs_onset: Floats
    qrs_offset: Floats
    t_offset: Floats
    shape: NDArray[np.int64]
    kind: NDArray[np.str_]
    average: Floats
    marks: Marks


def delineate(signal: NDArray[np.floating], rate: float, r_peaks: NDArray[np.floating]) -> Delineation:
    """Mark P, QRS and T of each beat.

    Args:
        signal: (12, samples) in mV.
        rate: its sampling rate in Hz; below 500 it is interpolated, since 10 ms are too coarse for an interval.
        r_peaks: R peaks in seconds, as `sediff.beats.find_r_peaks` gives them.
    """
    prepared, scale = prepare(independent_leads(signal), rate)
    centres = np.clip(np.rint(np.asarray(r_peaks) * RATE).astype(int), 0, prepared.shape[1] - 1)
    times = np.full((len(centres), 6), np.nan)
    times[:, 0] = r_peaks
    shape, average, dominant = np.zeros(len(centres), np.int64), np.empty((8, 0)), NO_MARKS
    if len(centres) >= 2:
        rr = float(np.median(np.diff(centres)))
        before = min(round(BEFORE * RATE), int(BEFORE_SHARE * rr))
        after = min(round(AFTER * RATE), int(AFTER_SHARE * rr))
        windows = _windows(prepared, centres, before, after)
        whole = (centres >= before) & (centres + after <= prepared.shape[1])
        shape = _group(windows[..., before - round(QRS_REACH * RATE) : before + round(QRS_REACH * RATE)])
        for group in range(int(shape.max()) + 1):
            members = np.flatnonzero(shape == group)
            alike = windows[members[whole[members]]] if whole[members].any() else windows[members]
            beat = np.median(alike, axis=0)
            marks = mark(beat, alike, before, rr, _irregularity(np.asarray(r_peaks)))
            if group == 0:
                average, dominant = beat * scale, marks
            times[members] = (centres[members, None] - before + np.array(astuple(marks))) / RATE
            times[members, 0] = np.asarray(r_peaks)[members] + (marks.r_peak - before) / RATE
    times[:, 1:][(times[:, 1:] < 0) | (times[:, 1:] > prepared.shape[1] / RATE)] = np.nan
    r_peak, p_onset, p_offset, qrs_onset, qrs_offset, t_offset = times.T
    places = (r_peak, p_onset, p_offset, qrs_onset, qrs_offset, t_offset)
    return Delineation(*places, shape, _kinds(times, shape), average, dominant)


def prepare(signal: NDArray[np.floating], rate: float) -> tuple[Floats, Floats]:
    """Bring leads (leads, samples) in mV to 500 Hz without a pacemaker's spikes or the baseline's drift.

    Returns:
        Each lead as a share of its range, or the chest leads would speak alone; and the ranges, (leads, 1) in mV.
    """
    if rate != RATE:
        from scipy.signal import resample_poly  # it takes a second to import, and who generates does not need it

        signal = resample_poly(signal, RATE, round(rate), axis=1, padtype="reflect")
    scale = np.maximum(np.ptp(signal, axis=1, keepdims=True), SMALLEST_RANGE)
    return np.asarray(band_pass(_without_spikes(np.asarray(signal / scale, np.float64)), RATE, BASELINE)), scale


def _without_spikes(signal: Floats) -> Floats:
    """Bridge what stands out from both sides, 10 ms away, by more than `SPIKE_HEIGHT`."""
    reach = round(SPIKE_REACH * RATE)
    padded = np.pad(signal, ((0, 0), (reach, reach)), mode="edge")
    before, after = padded[:, : -2 * reach], padded[:, 2 * reach :]
    stands_out = np.minimum(np.abs(signal - before), np.abs(signal - after)) > SPIKE_HEIGHT
    stands_out &= (signal > before) == (signal > after)
    return np.where(stands_out, (before + after) / 2, signal)


def _windows(signal: Floats, centres: NDArray[np.int_], before: int, after: int) -> Floats:
    """(beats, leads, before + after); what lies beyond the record repeats its edge."""
    padded = np.pad(signal, ((0, 0), (before, after)), mode="edge")
    return padded[:, centres[:, None] + np.arange(before + after)].transpose(1, 0, 2)


def _group(qrs: Floats) -> NDArray[np.int64]:
    """Group beats by the correlation of their QRS, the largest group first: (beats, leads, samples) to (beats,)."""
    flat = (qrs - qrs.mean(-1, keepdims=True)).reshape(len(qrs), -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    alike = flat @ flat.T > SAME_SHAPE
    np.fill_diagonal(alike, True)
    group, left, number = np.zeros(len(qrs), np.int64), np.ones(len(qrs), bool), 0
    while left.any():
        seed = int(np.argmax((alike & left).sum(1) * left))
        members = alike[seed] & left
        group[members], left = number, left & ~members
        number += 1
    return group


def _kinds(times: Floats, shape: NDArray[np.int64]) -> NDArray[np.str_]:
    r_peaks, duration = times[:, 0], times[:, 4] - times[:, 3]
    kinds = np.full(len(r_peaks), "N")
    if len(r_peaks) < 3:
        return kinds
    rr = np.diff(r_peaks)
    early = np.concatenate([[False], rr < PREMATURE * np.median(rr)])
    kinds[(shape > 0) & (duration > WIDE * np.median(duration[shape == 0]))] = "V"
    if _irregularity(r_peaks) < IRREGULAR:
        kinds[early & (kinds == "N")] = "S"
    return kinds


def _irregularity(r_peaks: NDArray[np.floating]) -> float:
    """Median change of RR from beat to beat, as a share of the median RR; 0 with fewer than three beats."""
    rr = np.diff(r_peaks)
    return float(np.median(np.abs(np.diff(rr))) / np.median(rr)) if len(rr) > 1 else 0.0
