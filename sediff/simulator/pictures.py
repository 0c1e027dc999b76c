"""Pictures of the simulator's fits."""

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS

matplotlib.use("Agg")
from matplotlib import pyplot

SHOWN = ("I", "II", "V1", "V6")
MOST = 16


def draw_fits(fits: list[tuple[str, NDArray, NDArray]], folder: Path) -> None:
    """Draw `fits.png`: median beat and fit, each (8, 128) in mV over θ, a row for each of the first statements."""
    folder.mkdir(parents=True, exist_ok=True)
    fits = fits[:MOST]
    figure, axes = pyplot.subplots(
        len(fits), len(SHOWN), figsize=(9, 1.1 * len(fits) + 0.9), sharex=True, squeeze=False
    )
    theta = np.linspace(-np.pi, np.pi, fits[0][1].shape[-1], endpoint=False)
    for row, (statement, beat, fitted) in zip(axes, fits, strict=True):
        row[0].set_ylabel("all" if statement == "*" else statement, rotation=0, ha="right", fontsize=8)
        for axis, lead in zip(row, SHOWN, strict=True):
            index = INDEPENDENT_LEADS.index(lead)
            axis.plot(theta, beat[index], color="#444", linewidth=1.2)
            axis.plot(theta, fitted[index], color="#c0392b", linewidth=0.9)
            axis.tick_params(labelsize=6)
    for axis, lead in zip(axes[0], SHOWN, strict=True):
        axis.set_title(f"{lead} (mV)", fontsize=9)
    figure.suptitle(
        "Median beat (grey) and McSharry's model (red) over phase θ", fontsize=10, y=1 - 0.15 / figure.get_figheight()
    )
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.1, right=0.985, bottom=0.3 / height, top=1 - 0.6 / height, hspace=0.3, wspace=0.25)
    figure.savefig(folder / "fits.png", dpi=100, metadata={"Software": None})
    pyplot.close(figure)
