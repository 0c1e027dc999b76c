"""What a reconstruction changes, on unseen patients: voltages, QRS, rhythm, and the beat that D_beat gives.

D_beat is compared with what needs no network at all: the median beat, over training patients, of the record's class.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid, crop_beats
from sediff.autoencoder.model import Autoencoder
from sediff.beats import find_r_peaks, rmssd
from sediff.delineation import delineate, measure
from sediff.ecg import LEADS, SAMPLING_RATE, to_microvolts, to_millivolts, twelve_leads

BATCH = 256
MOST_TRAINING, MOST_DELINEATED = 20_000, 1_000  # records that a class's beat and the measurements are taken from
MIN_PATIENTS = 20  # that a class needs for a beat of its own
SMALLEST_R = 0.2  # mV: the change of a smaller R says little in percent
ALL = "*"
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Reconstructions:
    """Errors of records, in µV: of the whole reconstruction and of D_beat, each (records,); and the signals in mV."""

    error: Floats
    beat_error: Floats
    decoded: Floats


@torch.no_grad()
def reconstruct(autoencoder: Autoencoder, signals: Tensor, grid: BeatGrid) -> Reconstructions:
    """Decode what was encoded, and D_beat's beat, of signals (n, 8, 1000) in int16 µV."""
    errors, beat_errors, decoded = [], [], []
    for rows in torch.arange(len(signals)).split(BATCH):
        x, beats = signals[rows].float() / 1000, grid.rows(rows)
        z = autoencoder.encode(x)
        y = autoencoder.decode(z)
        errors.append((y - x).abs().mean((1, 2)))
        beat_errors.append(beat_error(autoencoder.decode_beat(z), x, beats))
        decoded.append(y)
    error, in_beats = (1000 * torch.cat(parts).double().numpy() for parts in (errors, beat_errors))
    return Reconstructions(error, in_beats, torch.cat(decoded).numpy())


def beat_error(beats: Tensor, x: Tensor, grid: BeatGrid) -> Tensor:
    """Mean absolute error (n,) of beats (n, 8, 96) against the first complete beat of x (n, 8, 1000), all in mV."""
    inside = grid.inside()[:, None]
    difference = (beats - crop_beats(x, grid)[:, 0]).abs() * inside
    return (difference.sum(-1) / inside.sum(-1)).mean(-1)


def class_beat_error(
    signals: Tensor, grid: BeatGrid, records: pl.DataFrame, training: NDArray[np.intp], rows: NDArray[np.intp]
) -> Floats:
    """Error in µV of a class's median beat as a guess of each record's own: (rows,).

    A record's class is the rarest of its statements that enough training patients have; a patient counts once.
    """
    firsts = records[training[:MOST_TRAINING]].with_row_index("row").unique("patient_id", maintain_order=True)
    index = torch.from_numpy(training[firsts["row"].to_numpy()])
    statements = firsts["statements"].to_list()
    counts = Counter(code for row in statements for code in row)
    beats = crop_beats(signals[index].float() / 1000, grid.rows(index))[:, 0]
    classes = {code: [i for i, row in enumerate(statements) if code in row] for code in _of_size(counts)}
    medians = {code: beats[members].median(0).values for code, members in classes.items()}
    medians[ALL] = beats.median(0).values
    asked = records["statements"].gather(rows).to_list()
    guess = torch.stack([medians[_rarest(row, counts, medians)] for row in asked])
    chosen = torch.from_numpy(rows)
    return np.asarray(1000 * beat_error(guess, signals[chosen].float() / 1000, grid.rows(chosen)).double().numpy())


def _of_size(counts: Counter[str]) -> list[str]:
    return sorted(code for code, count in counts.items() if count >= MIN_PATIENTS)


def _rarest(statements: Sequence[str], counts: Counter[str], known: dict[str, Tensor]) -> str:
    return min((code for code in statements if code in known), key=lambda code: (counts[code], code), default=ALL)


def changes(signals: NDArray[np.int16], decoded: Floats) -> dict[str, Any]:
    """How reconstructions (n, 8, 1000) in mV change QRS duration, R amplitude and RMSSD of signals in µV.

    Both are measured in the same way. R's change is in percent, over the leads in which R is not small.
    """
    qrs, amplitude, dispersion, lost = [], [], [], 0
    for original, copy in zip(signals[:MOST_DELINEATED], decoded[:MOST_DELINEATED], strict=True):
        before, after = (_measured(eight) for eight in (original, to_microvolts(copy)))
        if before is None or after is None:
            lost += before is not None
            continue
        qrs.append(after["qrs"] - before["qrs"])
        large = before["r"] > SMALLEST_R
        amplitude += (100 * (after["r"][large] / before["r"][large] - 1)).tolist()
        dispersion.append(after["rmssd"] - before["rmssd"])
    told = {"qrs_duration_ms": qrs, "r_amplitude_percent": amplitude, "rmssd_ms": dispersion}
    return {"records": len(qrs), "beats_lost": lost, **{name: _spread(values) for name, values in told.items()}}


def _measured(eight: NDArray[np.int16]) -> dict[str, Any] | None:
    """QRS duration in ms, R amplitudes (12,) in mV, RMSSD in ms; None where fewer than three beats are found."""
    signal = to_millivolts(twelve_leads(eight))
    beats = delineate(signal, SAMPLING_RATE, find_r_peaks(signal[None], SAMPLING_RATE)[0])
    if len(beats.r_peak) < 3:
        return None
    measured = measure(beats)
    assert len(measured.r_amplitudes) == len(LEADS)
    return {"qrs": measured.qrs_duration, "r": measured.r_amplitudes, "rmssd": rmssd(beats.r_peak)}


def _spread(differences: list[float]) -> dict[str, float]:
    """Mean, and median and 90th percentile of the absolute value."""
    values = np.array(differences)[np.isfinite(differences)]
    if not len(values):
        return {}
    middle, high = np.percentile(np.abs(values), (50, 90))
    return {name: round(float(v), 2) for name, v in (("mean", values.mean()), ("median", middle), ("p90", high))}
