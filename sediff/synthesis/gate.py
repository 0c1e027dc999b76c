"""The physiological gate: what is measured on a record against what was asked for, and what its statements imply.

Fibrillation is irregular by nature, so nothing here looks at irregularity. Where the rhythm that was asked for varies,
so does the mean rate that a window of ten seconds shows: the rate's tolerance is wider by twice the standard error of
the mean RR interval.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sediff.beats import find_r_peaks, heart_rate
from sediff.delineation import delineate, measure
from sediff.ecg import SAMPLING_RATE, to_millivolts
from sediff.knowledge.statistics import wrapped
from sediff.simulator.rhythm import PACED, SINUS, TACHYCARDIA, rhythm_of
from sediff.synthesis.params import GateParams
from sediff.synthesis.request import RequestRow
from sediff.vocabulary.implications import IMPLICATIONS, Bound, Implied, read_implications

HEART_RATE, PR, QRS, QT, AXIS, P_WAVES = "heart_rate", "pr", "qrs_duration", "qt", "axis", "p_waves"
REGULAR = (SINUS, TACHYCARDIA, PACED)
STANDARD_ERRORS = 2  # of the mean RR, by which an irregular record's rate may be off


class Gate:
    """Tells which of the things that were asked for a record misses."""

    def __init__(self, params: GateParams, implications: Mapping[str, Implied]) -> None:
        self._implications = implications
        of_intervals = {PR: params.pr_ms, QRS: params.qrs_ms, QT: params.qt_ms}
        self._tolerance = {HEART_RATE: params.heart_rate_bpm, **of_intervals, AXIS: params.axis_deg, P_WAVES: 0.0}

    @classmethod
    def load(cls, params: GateParams, path: Path = IMPLICATIONS) -> "Gate":
        """Read what statements imply.

        Raises:
            UserError: the file is missing or malformed.
        """
        return cls(params, read_implications(path))

    def misses(self, rows: Sequence[RequestRow], signals: NDArray[np.int16]) -> list[list[str]]:
        """What each record misses, sorted; what cannot be measured is missed. Signals (n, 12, 1000) in µV."""
        millivolts = to_millivolts(signals)
        peaks = find_r_peaks(millivolts)
        return [self._missed(*of) for of in zip(rows, millivolts, peaks, strict=True)]

    def _missed(self, row: RequestRow, signal: NDArray[np.floating], peaks: NDArray[np.float64]) -> list[str]:
        bounds = [(name, of) for code in row.statements for name, of in self._implied(code)]
        of_condition = (HEART_RATE, row.condition.heart_rate), (AXIS, row.condition.axis)
        asked = (*of_condition, *zip((PR, QRS, QT), row.intervals, strict=True))
        bounds += [(name, Bound(min=value, max=value)) for name, value in asked if value is not None]
        if not bounds:
            return []
        measured = measurements(signal, peaks)
        if row.condition.axis is not None:  # an angle, so the nearest turn of it counts
            measured[AXIS] = row.condition.axis + float(wrapped(np.asarray(measured[AXIS] - row.condition.axis)))
        varies = rhythm_of(row.statements) not in REGULAR
        slack = self._tolerance | {HEART_RATE: self._tolerance[HEART_RATE] + (_rate_error(peaks) if varies else 0)}
        return sorted({name for name, of in bounds if not _inside(measured[name], of, slack[name])})

    def _implied(self, code: str) -> list[tuple[str, Bound]]:
        implied = self._implications.get(code, Implied())
        return [(name, getattr(implied, name)) for name in implied.model_fields_set]


def measurements(signal: NDArray[np.floating], peaks: NDArray[np.float64]) -> dict[str, float]:
    """Rate in bpm, PR, QRS duration and QT in ms, axis of QRS in degrees, share of beats with a P wave.

    NaN where there is none to measure.
    """
    beats = delineate(signal, SAMPLING_RATE, peaks)
    values = measure(beats)
    waves = float(np.isfinite(beats.p_onset).mean()) if len(peaks) else float("nan")
    intervals = {PR: values.pr, QRS: values.qrs_duration, QT: values.qt}
    return {HEART_RATE: heart_rate(peaks), **intervals, AXIS: values.axis, P_WAVES: waves}


def _rate_error(peaks: NDArray[np.float64]) -> float:
    """What the rate may be off, in bpm, because intervals vary: rate × 2 s / (m √n) of n intervals, m ± s."""
    intervals = np.diff(peaks)
    if len(intervals) < 2:
        return 0.0
    relative = intervals.std(ddof=1) / intervals.mean() / np.sqrt(len(intervals))
    return float(STANDARD_ERRORS * heart_rate(peaks) * relative)


def _inside(value: float, bound: Bound, slack: float) -> bool:
    low = -np.inf if bound.min is None else bound.min
    high = np.inf if bound.max is None else bound.max
    return bool(low - slack <= value <= high + slack)
