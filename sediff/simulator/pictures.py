"""Pictures of the simulator's fits."""

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS
from sediff.simulator.morphology import ALL, DOWNWARD, UPWARD

matplotlib.use("Agg")
from matplotlib import pyplot

SHOWN = ("I", "II", "V1", "V6")
MOST = 16
NAMES = {ALL: "all", UPWARD: "V, V1 up", DOWNWARD: "V, V1 down"}


def draw_fits(fits: list[tuple[str, NDArray, NDArray]], folder: Path) -> None:
    """Draw `fits.png`: median beat and fit, each (8, 128) in mV over θ, a row for each of the first statements."""
    folder.mkdir(parents=True, exist_ok=True)
    fits = fits[:MOST]
    figure, axes = pyplot.subplots(
        len(fits), len(SHOWN), figsize=(9, 1.1 * len(fits) + 0.9), sharex=True, squeeze=False
    )
    theta = np.linspace(-np.pi, np.pi, fits[0][1].shape[-1], endpoint=False)
    for row, (statement, beat, fitted) in zip(axes, fits, strict=True):
        row[0].set_ylabel(NAMES.get(statement, statement), rotation=0, ha="right", fontsize=8)
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


def draw_errors(statements: list[str], errors: NDArray, folder: Path) -> None:
    """Draw `errors.png`: the fit's relative error by statement (rows) and lead, (statements, 8)."""
    folder.mkdir(parents=True, exist_ok=True)
    height = 0.16 * len(statements) + 1.1
    figure, axis = pyplot.subplots(figsize=(6, height))
    most = max(20.0, float(100 * errors.max()))
    image = axis.imshow(100 * errors, cmap="Reds", vmin=0, vmax=most, aspect="auto")
    axis.set_xticks(range(len(INDEPENDENT_LEADS)), INDEPENDENT_LEADS, fontsize=8)
    axis.set_yticks(range(len(statements)), [NAMES.get(name, name) for name in statements], fontsize=6)
    for (row, column), error in np.ndenumerate(errors):
        axis.text(
            column,
            row,
            f"{100 * error:.0f}",
            ha="center",
            va="center",
            fontsize=5.5,
            color="w" if 100 * error > most / 2 else "#222",
        )
    figure.colorbar(image, ax=axis, shrink=min(1.0, 2.5 / height)).ax.tick_params(labelsize=6)
    axis.set_title("RMS misfit, % of the lead's deviation", fontsize=9)
    figure.subplots_adjust(left=0.16, right=1.02, bottom=0.35 / height, top=1 - 0.4 / height)
    figure.savefig(folder / "errors.png", dpi=100, metadata={"Software": None})
    pyplot.close(figure)
