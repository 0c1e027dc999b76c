"""Controls: what a set of records must look bad as, for the figures of a real or synthetic one to mean anything."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import SAMPLES, SAMPLING_RATE

Signals = NDArray[np.float32]
FIRST_BEAT = 0.5  # s, where the records of a class are aligned


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


def class_means(
    training: Signals, peaks: Sequence[Sequence[float]], classes: Sequence[str], wanted: Sequence[str]
) -> Signals:
    """For each wanted class the mean of its training records, their first R peak at 0.5 s: (n, 8, 1000), mV.

    What a model that has learned one record for each class would make. A class without training records has the mean
    of all.

    Args:
        training: (m, 8, 1000), mV; peaks: of each, s; classes: of each.
    """
    shifts = [round((FIRST_BEAT - row[0]) * SAMPLING_RATE) if len(row) else 0 for row in peaks]
    aligned = np.stack([np.roll(signal, shift, -1) for signal, shift in zip(training, shifts, strict=True)])
    assert aligned.shape[-1] == SAMPLES
    names = np.array(classes)
    means = {name: aligned[names == name].mean(0) for name in np.unique(names)}
    overall = aligned.mean(0)
    return np.stack([means.get(name, overall) for name in wanted])
