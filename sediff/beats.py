"""R peaks, heart rate, RMSSD and median beats of many records at once.

The detector sums the squared slope of the band-passed leads, smooths it over the width of a QRS and
keeps the maxima that stand above a share of the record's own typical beat.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from sediff.ecg import SAMPLING_RATE
from sediff.filters import band_pass

QRS_BAND = (5.0, 22.0)  # Hz: where a QRS has its energy, above T waves and drift
ENVELOPE_WIDTH = 0.12  # s: about the width of a QRS
REFRACTORY = 0.22  # s: no two beats are closer
BLOCK = 1.6  # s: one block holds a beat at 40 bpm
THRESHOLD = 0.22  # share of the record's typical beat
LEAD_SCALE = 0.99  # quantile of a lead by which it is scaled, so that none speaks alone
SMALLEST_QRS = 0.05  # mV: a lead that has less of the QRS than this is not raised to the others
EDGE = 0.06  # s: a QRS cut by the window's edge has no peak to find
BEATS_FOR_RMSSD = 3

Signals = NDArray[np.floating]


def find_r_peaks(signals: Signals, rate: float = SAMPLING_RATE) -> list[NDArray[np.float64]]:
    """Find the R peaks of each record.

    Args:
        signals: (records, leads, samples) in mV.
        rate: sampling rate, Hz.

    Returns:
        For each record the times of its R peaks in seconds, with sub-sample position.
    """
    qrs = band_pass(np.asarray(signals, np.float32), rate, *QRS_BAND)
    qrs /= np.maximum(np.quantile(np.abs(qrs), LEAD_SCALE, axis=-1, keepdims=True), SMALLEST_QRS)
    envelope = uniform_filter1d((np.diff(qrs, axis=-1, prepend=qrs[..., :1]) ** 2).sum(1), _odd(ENVELOPE_WIDTH, rate))
    energy = (qrs**2).sum(1)
    is_maximum = envelope == maximum_filter1d(envelope, _odd(2 * REFRACTORY, rate))
    is_maximum &= envelope > THRESHOLD * _typical_beat(envelope, rate)[:, None]
    edge = round(EDGE * rate)
    peaks = []
    for record in range(len(signals)):
        centres = np.flatnonzero(is_maximum[record])
        centres = centres[(centres >= edge) & (centres < signals.shape[-1] - edge)]
        peaks.append(_refine(energy[record], centres, round(ENVELOPE_WIDTH / 2 * rate)) / rate)
    return peaks


def heart_rate(peaks: NDArray[np.floating]) -> float:
    """Mean rate of one record, 60 (n - 1) / (t_n - t_1), in bpm; NaN with fewer than two beats."""
    if len(peaks) < 2:
        return float("nan")
    return float(60 * (len(peaks) - 1) / (peaks[-1] - peaks[0]))


def rmssd(peaks: NDArray[np.floating]) -> float:
    """Root mean square of successive RR differences, in ms; NaN with fewer than three beats."""
    if len(peaks) < BEATS_FOR_RMSSD:
        return float("nan")
    return float(np.sqrt(np.mean(np.diff(peaks, 2) ** 2)) * 1000)


def beat_windows(signal: Signals, peaks: NDArray[np.floating], before: float, after: float) -> Signals:
    """Cut the complete beats of one record: (leads, samples) to (beats, leads, window).

    `before` and `after` are seconds around R; beats that the record's edges cut are left out.
    """
    start, stop = round(before * SAMPLING_RATE), round(after * SAMPLING_RATE)
    centres = np.rint(np.asarray(peaks) * SAMPLING_RATE).astype(int)
    centres = centres[(centres >= start) & (centres + stop <= signal.shape[-1])]
    return signal[:, centres[:, None] + np.arange(-start, stop)].transpose(1, 0, 2)


def median_beat(signal: Signals, peaks: NDArray[np.floating], before: float = 0.3, after: float = 0.5) -> Signals:
    """R-aligned median beat of one record, (leads, window); NaN where no beat is complete."""
    windows = beat_windows(signal, peaks, before, after)
    if not len(windows):
        return np.full((len(signal), round(before * SAMPLING_RATE) + round(after * SAMPLING_RATE)), np.nan)
    return np.median(windows, axis=0)


def _typical_beat(envelope: Signals, rate: float) -> Signals:
    """Median over blocks of the highest envelope: robust to one artefact and to one missed beat."""
    width = round(BLOCK * rate)
    blocks = envelope[:, : envelope.shape[-1] // width * width]
    return np.median(blocks.reshape(len(envelope), -1, width).max(-1), axis=-1)


def _refine(energy: Signals, centres: NDArray[np.intp], reach: int) -> NDArray[np.float64]:
    """Move each centre to the top of the QRS energy near it; a parabola gives the sub-sample part."""
    if not len(centres):
        return np.empty(0)
    window = np.clip(centres[:, None] + np.arange(-reach, reach + 1), 1, len(energy) - 2)
    top = window[np.arange(len(centres)), energy[window].argmax(1)]
    left, middle, right = energy[top - 1], energy[top], energy[top + 1]
    curvature = left - 2 * middle + right
    shift = np.divide(0.5 * (left - right), curvature, out=np.zeros_like(middle), where=curvature < 0)
    return np.unique(top + np.clip(shift, -0.5, 0.5).astype(np.float64))


def _odd(seconds: float, rate: float) -> int:
    return 2 * round(seconds * rate / 2) + 1
