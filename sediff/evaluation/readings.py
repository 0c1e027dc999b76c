"""What the detector and the delineator read in each record, made, reconstructed or recorded, all in the same way."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sediff.beats import beat_windows, find_r_peaks, heart_rate, median_beat, rmssd
from sediff.delineation import Delineation, delineate, measure
from sediff.delineation.beats import PREMATURE
from sediff.ecg import SAMPLING_RATE, independent_leads, to_millivolts
from sediff.evaluation.rules import broken_rules
from sediff.evaluation.signs import SIGNS, read_signs

BATCH = 512
BEFORE, AFTER = 0.2, 0.4  # s around R in which beats are compared
FEWEST_BEATS = 3  # of which a median is not one of them, or their mean
FIRST_R = 0.4  # s: the P wave of an earlier beat may lie before the record
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Readings:
    """One row a record; NaN where beats are too few or the wave is missing.

    Attributes:
        heart_rate: 60 / mean RR, bpm; dispersion: RMSSD / mean RR; each (n,).
        p_share: share of the record's beats with a P wave before the QRS, (n,).
        consistency: mean correlation of the record's beats with its median beat, (n,).
        ventricular: share of beats that are wide and of another shape than the dominant one, (n,).
        premature: number of these that come early, at less than `PREMATURE` of the record's median RR, (n,).
        coupling: the wide beats' mean RR interval to the beat before, as a share of the record's median RR, (n,).
        lag: correlation of successive RR intervals, (n,).
        pr, qrs_duration, qt, qtcf: of the dominant beat, ms, (n,); axis: degrees, (n,).
        st, p_amplitudes, r_amplitudes, s_amplitudes, t_amplitudes: mV, (n, 12).
        median_beat: R-aligned, mV, (n, 8, 60); signs: 1 or 0 for each of `SIGNS`, (n, signs).
        impossible: 1 or 0 for each of `RULES` that is broken, (n, rules).
    """

    heart_rate: Floats
    dispersion: Floats
    p_share: Floats
    consistency: Floats
    ventricular: Floats
    premature: Floats
    coupling: Floats
    lag: Floats
    pr: Floats
    qrs_duration: Floats
    qt: Floats
    qtcf: Floats
    axis: Floats
    st: Floats
    p_amplitudes: Floats
    r_amplitudes: Floats
    s_amplitudes: Floats
    t_amplitudes: Floats
    median_beat: Floats
    signs: Floats
    impossible: Floats

    @classmethod
    def of(cls, signals: NDArray[np.int16]) -> "Readings":
        """Read signals (n, 12, 1000) in µV."""
        rows = []
        for start in range(0, len(signals), BATCH):
            millivolts = to_millivolts(signals[start : start + BATCH])
            peaks = find_r_peaks(independent_leads(millivolts))
            rows += [_read(signal, found) for signal, found in zip(millivolts, peaks, strict=True)]
        return cls(**{field.name: np.array([row[field.name] for row in rows], float) for field in fields(cls)})

    def only(self, rows: NDArray[np.intp]) -> "Readings":
        """Some of the records."""
        return Readings(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def dispersion_of(r_peaks: NDArray[np.floating]) -> float:
    """RMSSD / mean RR of a record's R peaks in s; NaN with fewer than three."""
    return rmssd(r_peaks) * heart_rate(r_peaks) / 60_000


def beat_consistency(leads: NDArray[np.floating], r_peaks: Floats) -> float:
    """Mean over beats of the correlation with the record's median beat, all leads together; leads (8, 1000) in mV.

    Beats run from R - 0.2 s to R + 0.4 s; each lead's mean within the beat is subtracted. NaN with fewer than three.
    """
    beats = beat_windows(leads, r_peaks, BEFORE, AFTER).astype(np.float64)
    if len(beats) < FEWEST_BEATS:
        return float("nan")
    median = np.median(beats, axis=0)
    beats, median = (x - x.mean(-1, keepdims=True) for x in (beats, median))
    norms = np.sqrt((beats**2).sum((1, 2)) * (median**2).sum())
    return float(((beats * median).sum((1, 2)) / np.maximum(norms, 1e-9)).mean())


def _read(signal: NDArray[np.floating], r_peaks: Floats) -> dict[str, float | Floats]:
    beats = delineate(signal, SAMPLING_RATE, r_peaks)
    measured = measure(beats)
    return {
        "heart_rate": heart_rate(r_peaks),
        "dispersion": dispersion_of(r_peaks),
        "p_share": _p_share(beats),
        "consistency": beat_consistency(independent_leads(signal), r_peaks),
        **_ventricular(beats),
        "lag": _lag(np.diff(r_peaks)),
        **vars(measured),
        "median_beat": median_beat(independent_leads(signal), r_peaks, BEFORE, AFTER),
        "signs": np.array([read_signs(beats)[name] for name in SIGNS]),
        "impossible": broken_rules(signal, r_peaks, measured),
    }


def _p_share(beats: Delineation) -> float:
    whole = beats.r_peak > FIRST_R
    return float(np.isfinite(beats.p_onset[whole]).mean()) if whole.any() else float("nan")


def _ventricular(beats: Delineation) -> dict[str, float]:
    """Share of wide beats of another shape, how many of them come early, and how early they come."""
    wide = beats.kind == "V"
    if len(wide) < FEWEST_BEATS:
        return dict.fromkeys(("ventricular", "premature", "coupling"), float("nan"))
    intervals = np.diff(beats.r_peak)
    coupling = intervals[wide[1:]] / np.median(intervals)
    return {
        "ventricular": float(wide.mean()),
        "premature": float((coupling < PREMATURE).sum()),
        "coupling": float(coupling.mean()) if len(coupling) else float("nan"),
    }


def _lag(intervals: Floats) -> float:
    """Correlation of each RR interval with the next; NaN with fewer than four intervals or where they are all equal."""
    if len(intervals) < 4 or np.ptp(intervals) == 0:
        return float("nan")
    before, after = intervals[:-1] - intervals.mean(), intervals[1:] - intervals.mean()
    return float((before * after).mean() / intervals.var())
