"""Controls: what a set of records must look bad as, for the figures of a real or synthetic one to mean anything."""

import numpy as np
from numpy.typing import NDArray

Signals = NDArray[np.float32]


def controls(signals: Signals, rng: np.random.Generator) -> dict[str, Signals]:
    """Flat lines, the records with their leads in a random order, and white noise of their deviation.

    Args:
        signals: of real records, (n, 8, 1000), mV.
    """
    order = np.stack([rng.permutation(signals.shape[1]) for _ in signals])
    return {
        "flat_line": np.zeros_like(signals),
        "shuffled_leads": np.take_along_axis(signals, order[:, :, None], axis=1),
        "noise": rng.normal(0, signals.std(), signals.shape).astype(np.float32),
    }
