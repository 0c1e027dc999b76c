"""Pictures of reconstructions over their originals."""

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS, SAMPLES, SAMPLING_RATE

matplotlib.use("Agg")
from matplotlib import pyplot

SECONDS = 4
SHOWN = ("I", "II", "V1", "V5")


def draw_reconstructions(pairs: dict[str, tuple[NDArray, NDArray]], path: Path) -> None:
    """Draw original and reconstruction, each (8, 1000) in mV, a column for each title, four leads, four seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(len(SHOWN), len(pairs), figsize=(4.2 * len(pairs), 6), sharex=True, squeeze=False)
    time = np.arange(SAMPLES)[: SECONDS * SAMPLING_RATE] / SAMPLING_RATE
    for column, (title, (original, decoded)) in enumerate(pairs.items()):
        axes[0, column].set_title(title, fontsize=10)
        for row, lead in enumerate(SHOWN):
            axis, index = axes[row, column], INDEPENDENT_LEADS.index(lead)
            axis.plot(time, original[index, : len(time)], color="#444", linewidth=1.1, label="recorded")
            axis.plot(time, decoded[index, : len(time)], color="#c0392b", linewidth=0.8, label="reconstructed")
            axis.set_ylabel(f"{lead} (mV)" if column == 0 else "", fontsize=8)
            axis.tick_params(labelsize=7)
    axes[0, 0].legend(fontsize=8)
    axes[-1, 0].set_xlabel("time (s)", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
