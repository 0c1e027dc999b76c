"""How near a record comes to the training records: correlation over shifts, scale left out."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from sediff.ecg import SAMPLES

CANDIDATES = 8  # training records, nearest in the judge's features, that are compared sample by sample
BLOCK = 1024


def nearest(
    features: NDArray[np.float64],
    signals: NDArray[np.float32],
    training_features: NDArray[np.float64],
    training_signals: NDArray[np.int16],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Most alike training record of each record, and its correlation over all eight leads at the best shift.

    Args:
        features: (n, 64); signals: (n, 8, 1000) in mV.
        training_features: (m, 64); training_signals: (m, 8, 1000), int16 µV.
    """
    best, correlation = np.empty(len(features), np.int64), np.empty(len(features))
    count = min(CANDIDATES, len(training_features))
    for start in range(0, len(features), BLOCK):
        distances = cdist(features[start : start + BLOCK], training_features)
        candidates = np.argpartition(distances, count - 1, axis=1)[:, :count]
        for row, rows in enumerate(np.sort(candidates, axis=1), start=start):
            values = shifted_correlation(signals[row], training_signals[rows].astype(np.float32))
            best[row], correlation[row] = rows[values.argmax()], values.max()
    return best, correlation


def shifted_correlation(signal: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest correlation over circular shifts: signal (8, 1000) with others (k, 8, 1000) gives (k,)."""
    a, b = (x - x.mean(-1, keepdims=True) for x in (signal, others))
    products = (np.fft.rfft(b) * np.conj(np.fft.rfft(a))).sum(-2)
    norms = np.sqrt((a**2).sum()) * np.sqrt((b**2).sum((-1, -2)))
    return np.fft.irfft(products, SAMPLES).max(-1) / np.maximum(norms, 1e-9)
