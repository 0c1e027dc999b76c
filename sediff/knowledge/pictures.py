"""The knowledge stage's picture."""

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")
from matplotlib import pyplot

COLOUR = "#3b6ea5"
POINTS = 2000


def draw_knowledge(
    similarities: NDArray[np.float64], expected: NDArray[np.float64], measured: NDArray[np.float64], path: Path
) -> None:
    """Draw how similar the nearest neighbour is, and the heart rate neighbours lead to expect beside the measured one.

    Args:
        similarities: (n,) τ of the nearest neighbour.
        expected, measured: (n,) bpm, NaN where unknown; at most 2,000 evenly spaced ones are shown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, (nearest, rate) = pyplot.subplots(1, 2, figsize=(9, 3.6))
    nearest.hist(similarities, bins=30, range=(0, 1), color=COLOUR)
    nearest.set_xlabel("similarity τ of the nearest neighbour")
    nearest.set_ylabel("records")
    shown = np.unique(np.linspace(0, len(measured) - 1, POINTS).astype(int))
    rate.plot(measured[shown], expected[shown], ".", markersize=3, alpha=0.4, color=COLOUR)
    rate.axline((60, 60), slope=1, color="#999999", linewidth=0.8)
    rate.set_xlabel("measured heart rate (bpm)")
    rate.set_ylabel("median of the neighbours (bpm)")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
