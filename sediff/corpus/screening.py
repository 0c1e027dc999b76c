"""Screening of a signal: named rules, each a small function that says what it found.

A rule never changes the signal. What is repaired before (`waveform.py`) is named in a column of the record.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sediff.beats import find_r_peaks, median_beat
from sediff.corpus.grid import on_grid
from sediff.corpus.params import ScreeningParams
from sediff.ecg import LEADS, limb_lead_residual

Signal = NDArray[np.float64]

SLOPE_LAG = 0.04  # s: differences over it keep QRS and T and drop what wanders
CLIP_EDGE = (0.02, 0.05)  # s and mV: what comes from so far away in so short a time does not rest by itself
P_WINDOW = (-0.26, -0.09)  # s from R
P_WAVE = 0.03  # mV
STEEP = 0.06  # mV in 10 ms: a pacemaker's spike or the start of a QRS, no P wave
REVERSALS = {"I": "the arms", "II": "the right arm and the left leg"}  # the lead that stands on its head


class UnusableError(ValueError):
    """A recording that cannot be used: `reason` is the rule's name, `detail` what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def amplitude(signal: Signal, rate: float, limits: ScreeningParams) -> str:
    """The largest absolute value, where it is beyond `max_amplitude_mv`."""
    largest = np.abs(signal).max(axis=1)
    lead = int(largest.argmax())
    if largest[lead] <= limits.max_amplitude_mv:
        return ""
    return f"{largest[lead]:.2f} mV in lead {LEADS[lead]}, above {limits.max_amplitude_mv:g} mV"


def flat_lead(signal: Signal, rate: float, limits: ScreeningParams) -> str:
    """Leads whose range is under `flat_range_mv`."""
    ranges = np.ptp(signal, axis=1)
    flat = ranges < limits.flat_range_mv
    if not flat.any():
        return ""
    return f"lead {_names(flat)}: a range of {ranges[flat].max():.3f} mV, under {limits.flat_range_mv:g} mV"


def clipped(signal: Signal, rate: float, limits: ScreeningParams) -> str:
    """Leads that run into their own extreme and stay there for `clipped_s`, as an amplifier at its end does.

    A slow wave rests at its top too where the ADC's steps are coarse: one side of the rest must be steep.
    """
    run, lag = max(round(limits.clipped_s * rate), 2), max(round(CLIP_EDGE[0] * rate), 1)
    for extreme in (signal.max(axis=1), signal.min(axis=1)):
        at_end = signal == extreme[:, None]
        for lead in np.flatnonzero((at_end.sum(axis=1) >= run) & (np.abs(extreme) >= limits.clipped_from_mv)):
            starts, stops = _runs(at_end[lead])
            for start, stop in zip(starts, stops, strict=True):
                around = signal[lead, [max(start - lag, 0), min(stop - 1 + lag, signal.shape[1] - 1)]]
                if stop - start >= run and np.abs(around - extreme[lead]).max() >= CLIP_EDGE[1]:
                    return f"lead {LEADS[lead]} stays at {extreme[lead]:.3f} mV for {(stop - start) / rate:.2f} s"
    return ""


def limb_leads(signal: Signal, rate: float, limits: ScreeningParams) -> str:
    """Departure from Einthoven's law and Goldberger's leads beyond `max_limb_lead_residual_mv`."""
    residual = np.abs(limb_lead_residual(signal)).max(axis=1)
    worst = int(residual.argmax())
    if residual[worst] <= limits.max_limb_lead_residual_mv:
        return ""
    return f"lead {LEADS[2 + worst]} contradicts I and II by {residual[worst]:.3f} mV"


def reversed_leads(signal: Signal, rate: float, limits: ScreeningParams) -> str:
    """Limb electrodes that were swapped, which the identities cannot show.

    With the arms swapped, I stands on its head and aVR and aVL change places; with the right arm and the left leg
    swapped, II does. V6 takes no part in the swap and looks in nearly the same direction: the slopes of QRS and T are
    then opposed to its. Infarctions, blocks and pacing do that too, but leave the P wave upright, so the P wave of the
    average beat must point down as well; without one, nothing is said. (P, QRS and T of I against V6: Batchvarov et
    al., Europace 2007; correlations between leads: Jekova et al., Physiol Meas 2016.)

    On PTB-XL swapped by computation this finds 58 % of the arms' and 63 % of the other swap, and it sets aside 5 of
    the 19,601 records as they are.
    """
    if limits.reversal_correlation >= 1:
        return ""
    lag = max(round(SLOPE_LAG * rate), 1)
    leads = signal[[LEADS.index("I"), LEADS.index("II"), LEADS.index("V6")]]
    slopes = leads[:, lag:] - leads[:, :-lag]
    norms = np.sqrt(np.einsum("ij,ij->i", slopes, slopes))
    for row, lead in enumerate(REVERSALS):
        opposed = float(slopes[row] @ slopes[2]) < -limits.reversal_correlation * norms[row] * norms[2]
        if opposed and _p_wave(signal, rate, lead) < -P_WAVE:
            correlation = slopes[row] @ slopes[2] / (norms[row] * norms[2])
            return (
                f"{REVERSALS[lead]} look swapped: P points down in {lead}, its correlation with V6 is {correlation:.2f}"
            )
    return ""


def _p_wave(signal: Signal, rate: float, lead: str) -> float:
    """The P wave of a lead's median beat in mV, above the line between the window's ends; 0 without one."""
    grid = on_grid(signal, rate)
    beat = median_beat(grid[[LEADS.index(lead)]], find_r_peaks(grid[None])[0], before=-P_WINDOW[0], after=P_WINDOW[1])[
        0
    ]
    if not np.abs(np.diff(beat)).max() < STEEP:
        return 0.0
    above = np.nan_to_num(beat - np.linspace(beat[0], beat[-1], len(beat)))
    return float(above[np.abs(above).argmax()])


# In the order in which they are asked; the first that finds something names the reason.
CHECKS: dict[str, Callable[[Signal, float, ScreeningParams], str]] = {
    check.__name__: check for check in (amplitude, flat_lead, clipped, limb_leads, reversed_leads)
}

# All that can end a recording between its row in a table and its signal.
RULES = {
    "bad_table_row": "a row of the source's table cannot be read, or its id stands twice",
    "unsafe_path": "a path or link that leads out of the source's folder, in a circle or to no plain name",
    "unreadable_folder": "a folder that cannot be listed",
    "missing_file": "the header or the signal is not there, is no file, or was not there at the scan",
    "changed_file": "a file is another than at the scan",
    "bad_header": "the header breaks WFDB's syntax or contradicts itself",
    "too_large": "the header declares more samples than are ever read",
    "unsupported": "several segments, files or samples a frame, a skew, or a format that is not decoded",
    "sampling_rate": "under 100 Hz, no whole number, or not what the layout promises",
    "too_short": "shorter than 10 s",
    "bad_signal": "the signal has another size than its header says, or cannot be decoded",
    "missing_lead": "a lead that cannot be derived is missing, or stands twice",
    "unknown_unit": "a unit that is no voltage",
    "no_gain": "a gain of zero: not calibrated",
    "checksum": "a lead's sum is not the one in its header",
    "nan": "a larger share of samples is marked as missing than is filled in",
    "amplitude": "a value beyond the limit",
    "flat_lead": "a lead that does not move",
    "clipped": "a lead that runs into its own extreme and stays there",
    "limb_leads": "limb leads that contradict each other",
    "reversed_leads": "limb electrodes that look swapped",
    "few_beats": "fewer R peaks than can be worked with",
    "duplicate": "another record has the same signal",
    "fold_not_used": "the source's fold stands in no split",
}

REPAIRS = {
    "leads_reordered": "leads stored in another order",
    "extra_leads_dropped": "leads beyond the twelve left out",
    "limb_leads_derived": "III, aVR, aVL or aVF was missing and follows from I and II",
    "samples_interpolated": "missing samples filled in on a straight line",
    "cropped": "longer than 10 s, the first 10 s kept",
    "gain_replaced": "the source's headers are known to give wrong gains, the reader's gain taken",
    "date_dropped": "a date in the header that is not in WFDB's form left out",
}


def screen(signal: Signal, rate: float, limits: ScreeningParams) -> None:
    """Ask every rule of `CHECKS`.

    Args:
        signal: (12, samples), mV, finite, standard order.
        rate: Hz.

    Raises:
        UnusableError: with the name of the first rule that finds something.
    """
    for name, check in CHECKS.items():
        if found := check(signal, rate, limits):
            raise UnusableError(name, found)


def _names(chosen: NDArray[np.bool_]) -> str:
    return ", ".join(np.array(LEADS)[chosen])


def _runs(marks: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Where runs of marks start, and where each is over."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(np.int8), [0]])))
    return edges[::2].tolist(), edges[1::2].tolist()
