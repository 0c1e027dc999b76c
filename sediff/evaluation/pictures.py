"""Pictures of the evaluation: rates, rhythm, spectra, and real and synthetic ECGs side by side on paper."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS, SAMPLING_RATE
from sediff.paper import draw_pair
from sediff.simulator.rhythm import rhythm_of

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

REAL, SYNTHETIC = "#444444", "#c0392b"
DRAWN_DISPERSION = (1e-3, 1.0)
FEWEST = 20  # numbers of which the quartiles are drawn


def draw_rhythm(
    measured: NDArray[np.float64],
    dispersion: NDArray[np.float64],
    real_dispersion: NDArray[np.float64],
    asked: NDArray[np.float64],
    statements: Sequence[Sequence[str]],
    real_statements: Sequence[Sequence[str]],
    path: Path,
) -> None:
    """Measured against asked heart rate, and RMSSD / mean RR by rhythm, as far as there are enough records."""
    rhythms, real_rhythms = (np.array([rhythm_of(codes) for codes in of]) for of in (statements, real_statements))
    figure, (rate, spread) = pyplot.subplots(1, 2, figsize=(11, 4.5), width_ratios=(1, 1.5))
    for name in sorted(set(rhythms)):
        rate.scatter(asked[rhythms == name], measured[rhythms == name], s=8, label=name, alpha=0.7)
    rate.axline((60, 60), slope=1, color="#888888", linewidth=0.8)
    rate.set_xlabel("heart rate asked (bpm)")
    rate.set_ylabel("measured (bpm)")
    rate.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    _draw_boxes(spread, boxes_of(real_dispersion, real_rhythms, dispersion, rhythms))
    _save(figure, path)


def boxes_of(
    real: NDArray[np.float64],
    real_rhythms: NDArray[np.str_],
    synthetic: NDArray[np.float64],
    rhythms: NDArray[np.str_],
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """By rhythm the finite numbers of real and of synthetic records, where there are `FEWEST` of both."""
    boxes = {}
    for name in sorted(set(rhythms)):
        sides = [of[(which == name) & np.isfinite(of)] for of, which in ((real, real_rhythms), (synthetic, rhythms))]
        if min(map(len, sides)) >= FEWEST:
            boxes[str(name)] = (sides[0], sides[1])
    return boxes


def _draw_boxes(axes: Axes, boxes: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
    positions = np.arange(len(boxes))
    for side, (label, colour, offset) in enumerate((("real", REAL, -0.18), ("synthetic", SYNTHETIC, 0.18))):
        rows = [of[side].clip(*DRAWN_DISPERSION) for of in boxes.values()]
        if rows:
            drawn = axes.boxplot(rows, positions=positions + offset, widths=0.3, showfliers=False, patch_artist=True)
            for box in drawn["boxes"]:
                box.set(facecolor=colour, alpha=0.5)
        axes.plot([], [], color=colour, linewidth=6, alpha=0.5, label=label)
    axes.set_yscale("log")
    axes.set_xticks(positions, list(boxes), fontsize=8, rotation=25, ha="right")
    axes.set_ylabel("RMSSD / mean RR")
    axes.set_title(f"rhythms of {FEWEST} records and more", fontsize=8)
    axes.legend(fontsize=8)


def draw_spectra(synthetic: NDArray[np.float32], real: NDArray[np.float32], path: Path) -> None:
    """Median amplitude spectrum of each lead; signals (n, 8, 1000) in mV."""
    figure, axes = pyplot.subplots(2, 4, figsize=(11, 4.6), sharex=True, sharey=True)
    frequency = np.fft.rfftfreq(synthetic.shape[-1], 1 / SAMPLING_RATE)[1:]
    for index, (axis, lead) in enumerate(zip(axes.flat, INDEPENDENT_LEADS, strict=True)):
        for signals, colour, label in ((real, REAL, "real"), (synthetic, SYNTHETIC, "synthetic")):
            spectrum = np.median(np.abs(np.fft.rfft(signals[:, index], norm="forward"))[:, 1:], axis=0)
            axis.loglog(frequency, spectrum, color=colour, linewidth=0.9, label=label)
        axis.set_title(lead, fontsize=9)
        axis.tick_params(labelsize=7)
    axes[0, 0].legend(fontsize=7)
    axes[1, 0].set_xlabel("frequency (Hz)", fontsize=8)
    axes[0, 0].set_ylabel("amplitude (mV)", fontsize=8)
    _save(figure, path)


def draw_pairs(pairs: list[tuple[Sequence[str], NDArray[np.int16], NDArray[np.int16], str]], folder: Path) -> None:
    """`pair-NN.svg`: a real record of a condition at the left, the synthetic one at the right; (12, 1000) in µV."""
    for number, (statements, real, synthetic, why) in enumerate(pairs):
        titles = (f"Real: {', '.join(statements)}", f"Synthetic: {', '.join(statements)}")
        draw_pair(real, synthetic, titles, folder / f"pair-{number:02d}.svg", ("", why))


def _save(figure: pyplot.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
