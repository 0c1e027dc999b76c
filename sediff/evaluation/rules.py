"""Patterns that no heart makes, nor what records it: named rules that a real recording practically never breaks.

The limits were set on training records of PTB-XL; the worst of the first 2,000 to 4,000 stands beside each. Of 9,000
two break a rule, and of 2,173 held-out ones one does. What could never be found, such as a QT longer than RR, or two
beats nearer than the detector's own refractory period, is no rule here.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sediff.beats import beat_windows
from sediff.delineation import Measurements
from sediff.ecg import DURATION, SAMPLING_RATE, independent_leads, limb_lead_residual

STANDSTILL = 6.0  # s without a beat: who has it has fainted; 4.7
VOLTAGE = 10.0  # mV: no electrode on the skin sees more; 7.9, above which the corpus refuses
JUMP = 6.0  # mV from one sample to the next, 10 ms; 5.3, of a pacemaker or a very high R
FLAT, FLAT_FOR = 0.02, 3.0  # mV and s in a lead, while others beat: an amplifier's noise is more; 0.09
FLAT_STEP = 0.5  # s between the places where such a rest may begin
LIMB_LEADS = 0.05  # mV by which III or an augmented lead contradicts I and II; 0.01
SMALLEST_T = 0.02  # share of the highest QRS that T has in its highest lead; 0.03
SMALLEST_QRS = 0.3  # mV, of the highest: a lower one's T is in the noise
ALTERNATIONS = 6  # a QRS turned over from beat to beat so often, at a regular RR; 4. In bigeminy RR alternates too
TURNED, TURNED_FROM = -0.5, 0.2  # correlation with the beat before, and mV from top to bottom of both
QRS_REACH = 0.06  # s around R
IRREGULAR = 0.1  # median change of RR, as a share of it
SMOOTHNESS = 0.4  # correlation of neighbouring samples in the smoothest lead; of white noise it is 0; 0.58

Floats = NDArray[np.float64]
Signal = NDArray[np.floating]
Rule = Callable[[Signal, Floats, Measurements], bool]


def standstill(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """There is no beat for longer than a person stays conscious."""
    return bool(np.diff(np.concatenate([[0.0], r_peaks, [DURATION]])).max() > STANDSTILL)


def voltage(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """A wave is higher than any heart's on the skin."""
    return bool(np.abs(signal).max() > VOLTAGE)


def jump(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """A lead leaps from one sample to the next."""
    return bool(np.abs(np.diff(signal, axis=-1)).max() > JUMP)


def flat_lead(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """A lead rests while at least two beats pass in others."""
    blocks = signal.reshape(len(signal), -1, round(FLAT_STEP * SAMPLING_RATE))
    width = round(FLAT_FOR / FLAT_STEP)
    highest, lowest = (sliding_window_view(of, width, axis=-1) for of in (blocks.max(-1), blocks.min(-1)))
    rests = ((highest.max(-1) - lowest.min(-1)) < FLAT).any(0)
    starts = FLAT_STEP * np.arange(len(rests))
    beats = np.searchsorted(r_peaks, starts + FLAT_FOR) - np.searchsorted(r_peaks, starts)
    return bool((rests & (beats >= 2)).any())


def limb_leads(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """The limb leads contradict Einthoven's law."""
    return bool(np.abs(limb_lead_residual(signal)).max() > LIMB_LEADS)


def no_repolarisation(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """The dominant beat has a QRS, and no T in any lead."""
    qrs, t = measured.r_amplitudes - measured.s_amplitudes, np.abs(measured.t_amplitudes)
    return bool(qrs.max() > SMALLEST_QRS and t.max() < SMALLEST_T * qrs.max())


def alternating_polarity(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """A lead's QRS is turned over from each beat to the next, though they come regularly."""
    intervals = np.diff(r_peaks)
    if len(intervals) < ALTERNATIONS or np.median(np.abs(np.diff(intervals))) > IRREGULAR * np.median(intervals):
        return False
    qrs = beat_windows(independent_leads(signal), r_peaks, QRS_REACH, QRS_REACH)
    qrs = qrs - qrs.mean(-1, keepdims=True)
    size, norm = np.ptp(qrs, axis=-1), np.maximum(np.linalg.norm(qrs, axis=-1), 1e-9)
    turned = (qrs[1:] * qrs[:-1]).sum(-1) / (norm[1:] * norm[:-1]) < TURNED
    turned &= np.minimum(size[1:], size[:-1]) > TURNED_FROM
    return len(turned) >= ALTERNATIONS and bool(sliding_window_view(turned, ALTERNATIONS, axis=0).all(-1).any())


def noise(signal: Signal, r_peaks: Floats, measured: Measurements) -> bool:
    """Neighbouring samples have little to do with each other: a heart's waves take longer than 10 ms."""
    x = signal - signal.mean(-1, keepdims=True)
    power = (x**2).sum(-1)
    return bool(power.any() and ((x[:, 1:] * x[:, :-1]).sum(-1) < SMOOTHNESS * power)[power > 0].all())


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        standstill,
        voltage,
        jump,
        flat_lead,
        limb_leads,
        no_repolarisation,
        alternating_polarity,
        noise,
    )
}


def broken_rules(signal: Signal, r_peaks: Floats, measured: Measurements) -> Floats:
    """1 for each of `RULES` that a record breaks, else 0.

    Args:
        signal: (12, 1000) in mV; r_peaks: its beats, s; measured: its dominant beat.
    """
    return np.array([float(rule(signal, r_peaks, measured)) for rule in RULES.values()])
