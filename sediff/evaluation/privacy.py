"""How near a record comes to other records: correlation over all shifts, scale left out.

`nearest` looks among many, and is exact where it matters: no shift can lift the correlation of two records above the
inner product of their magnitude spectra, so training records are compared in the order of that bound, until no bound
left reaches the threshold of a near-copy (or the best found, where that is higher). `most_alike` looks among few, and
is exact throughout.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sediff.ecg import SAMPLES

BLOCK = 512  # records whose bounds are held at a time
CHUNK = 64  # training records compared at a time, most promising first
PAIRS = 4096  # of records whose correlations at all shifts are held at a time, 20 KB each
NOISE = 0.2  # of a planted copy, as a share of its own deviation


@dataclass(frozen=True)
class Nearest:
    """Most alike training record of each record (n,), and the correlation over all eight leads at the best shift."""

    rows: NDArray[np.int64]
    correlation: NDArray[np.float64]


def nearest(signals: NDArray[np.float32], training: NDArray[np.int16], threshold: float) -> Nearest:
    """Find the most alike training record; correlations above `threshold` are found without fail.

    Args:
        signals: (n, 8, 1000) in mV; training: (m, 8, 1000), int16 µV.
        threshold: correlation of a near-copy.
    """
    parts = [_nearest_of_block(signals[i : i + BLOCK], training, threshold) for i in range(0, len(signals), BLOCK)]
    return Nearest(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def most_alike(signals: NDArray, others: NDArray) -> Nearest:
    """The most alike of `others` (m, 8, 1000) for each of signals (n, 8, 1000), in whatever units."""
    correlation = correlations(signals, others)
    return Nearest(correlation.argmax(1), correlation.max(1).astype(np.float64))


def correlations(signals: NDArray, others: NDArray) -> NDArray[np.float32]:
    """Of signals (n, 8, 1000) with `others` (m, 8, 1000), each in whatever units, at the best shift: (n, m)."""
    against = _unit_spectra(others).transpose(2, 1, 0).conj().copy()  # (501, 8, m)
    against[1:-1] /= 2
    size, found = max(1, PAIRS // len(others)), []
    for start in range(0, len(signals), size):
        spectra = _unit_spectra(signals[start : start + size]).transpose(2, 0, 1)  # (501, n, 8)
        found.append(scipy.fft.irfft(spectra @ against, SAMPLES, axis=0).max(0) * SAMPLES)
    return np.concatenate(found)


def planted_copies(training: NDArray[np.int16], count: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Disguised copies that a search must find: training rows (count,), and their signals in mV.

    Each is shifted, scaled by 0.5 to 1.5 and given noise of a fifth of its own deviation.
    """
    rows = rng.choice(len(training), min(count, len(training)), replace=False)
    shifts, scales = rng.integers(0, SAMPLES, len(rows)), rng.uniform(0.5, 1.5, len(rows)) / 1000
    signals = np.stack([np.roll(training[row], shift, -1) for row, shift in zip(rows, shifts, strict=True)])
    signals = signals * scales[:, None, None]
    noise = rng.normal(size=signals.shape) * signals.std(axis=(1, 2), keepdims=True) * NOISE
    return rows, (signals + noise).astype(np.float32)


def _nearest_of_block(
    signals: NDArray[np.float32], training: NDArray[np.int16], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    spectra = _unit_spectra(signals)
    bounds = _bounds(spectra, training)
    rows, correlation = np.empty(len(signals), np.int64), np.full(len(signals), -np.inf)
    for i, order in enumerate(np.argsort(-bounds, axis=1, kind="stable")):
        for start in range(0, len(order), CHUNK):
            candidates = order[start : start + CHUNK]
            if start and bounds[i, candidates[0]] <= max(correlation[i], threshold):
                break
            values = _best_shift(spectra[i], _unit_spectra(training[candidates]))
            if values.max() > correlation[i]:
                rows[i], correlation[i] = candidates[values.argmax()], values.max()
    return rows, correlation


def _bounds(spectra: NDArray[np.complex64], training: NDArray[np.int16]) -> NDArray[np.float32]:
    """Upper bound of the correlation over shifts, (n, m): the inner product of the magnitude spectra."""
    magnitudes = np.abs(spectra).reshape(len(spectra), -1)
    parts = []
    for start in range(0, len(training), BLOCK):
        others = np.abs(_unit_spectra(training[start : start + BLOCK]))
        parts.append(magnitudes @ others.reshape(len(others), -1).T)
    return np.concatenate(parts, axis=1)


def _unit_spectra(signals: NDArray) -> NDArray[np.complex64]:
    """Spectra of signals (n, 8, 1000) without mean, of length 1: (n, 8, 501)."""
    spectra = np.fft.rfft(signals)
    spectra[..., 0] = 0
    spectra[..., 1:-1] *= np.sqrt(2)  # both sides of the spectrum
    norms = np.sqrt((np.abs(spectra) ** 2).sum((1, 2), keepdims=True))
    return (spectra / np.maximum(norms, 1e-9)).astype(np.complex64)


def _best_shift(spectrum: NDArray[np.complex64], others: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Largest correlation of one record (8, 501) with others (k, 8, 501) over circular shifts: (k,)."""
    products = (others * np.conj(spectrum)).sum(1)
    products[..., 1:-1] /= 2
    return np.fft.irfft(products, SAMPLES).max(-1) * SAMPLES
