"""Whether records have the intervals that are asked for: `python benchmarks/intervals.py CLONE [--records 24]`.

Takes the conditions of some held-out records in sinus rhythm and asks for one interval at several values, with all
else fixed: the same conditions, rhythms and noise. Prints slope, correlation and error of what is measured on what was
asked, of the denoiser alone and with the pull towards the simulator's record (`synthesis.sampler.pull`); then how the
other two intervals move with it, and the same records when nothing is asked for.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sediff.ablation.ask import Asked
from sediff.beats import find_r_peaks
from sediff.diffusion.intervals import Intervals
from sediff.ecg import to_millivolts
from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import Params
from sediff.simulator.rhythm import SINUS, rhythm_of
from sediff.synthesis.gate import PR, QRS, QT, measurements
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.request import RequestRow
from sediff.vocabulary import Vocabulary

ASKED = {"pr": (120, 160, 200, 240), "qrs": (80, 100, 120, 140), "qt": (360, 400, 440)}  # ms
MEASURED = {"pr": PR, "qrs": QRS, "qt": QT}


def measured(signals: NDArray[np.int16]) -> NDArray[np.float64]:
    """PR, QRS duration and QT of each record in ms, (n, 3)."""
    millivolts = to_millivolts(signals)
    found = [measurements(*of) for of in zip(millivolts, find_r_peaks(millivolts), strict=True)]
    return np.array([[of[name] for name in MEASURED.values()] for of in found])


def line(name: str, pull: float, wanted: NDArray[np.float64], found: NDArray[np.float64]) -> str:
    """A row of the table; `found` is (n, 3)."""
    column = list(MEASURED).index(name)
    known = np.isfinite(found[:, column])
    asked, values = wanted[known], found[known, column]
    slope, _ = np.polyfit(asked, values, 1)
    off = values - asked
    medians = " ".join(f"{np.median(values[asked == each]):.0f}" for each in ASKED[name])
    others = []
    for place, other in enumerate(MEASURED):
        both = known & np.isfinite(found[:, place])
        if other != name:
            others.append(f"{other} {np.polyfit(wanted[both], found[both, place], 1)[0]:+.2f}")
    within = np.median(np.abs(off))
    return (
        f"| {name} | {pull:g} | {slope:.2f} | {np.corrcoef(asked, values)[0, 1]:.2f} | {off.mean():+.0f} | "
        f"{np.abs(off).mean():.0f} | {within:.0f} | {known.mean():.0%} | {medians} | {', '.join(others)} |"
    )


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, help="folder of a clone whose denoiser sees a morphology")
    parser.add_argument("--records", type=int, default=24, help="conditions; each is made at each value")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--pull", type=float, nargs="+", default=[0.0, 0.2])
    parser.add_argument("--rate", type=float, nargs=2, default=[50.0, 85.0], help="heart rates in bpm, from, to")
    arguments = parser.parse_args()
    data = arguments.clone / "data"
    params = Params.load(arguments.clone / "params.yaml")
    held_out = Asked.of(data, arguments.split, 100 * arguments.records, 0, params.evaluation.min_records)
    low, high = arguments.rate
    chosen = [
        row
        for row in held_out.rows
        if rhythm_of(row.statements) == SINUS and low <= (row.condition.heart_rate or 0) <= high
    ][: arguments.records]
    if not chosen:
        raise SystemExit("no condition of sinus rhythm at these rates: widen --rate.")
    generator = EcgGenerator.load(data, Vocabulary.load(), torch.device("cpu"), EmbeddingAccess())

    def make(asked: list[Intervals], pull: float) -> NDArray[np.float64]:
        rows: list[RequestRow] = [replace(row, intervals=of) for of in asked for row in chosen]
        slots = [Slot(0, place) for _ in asked for place in range(len(chosen))]
        sampler = params.synthesis.sampler.model_copy(update={"pull": pull})
        return measured(generator.make(rows, slots, sampler))

    print(
        "| asked | pull | slope | correlation | bias, ms | mean error | median error | measured in | medians | others |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, values in ASKED.items():
        for pull in arguments.pull:
            found = make([Intervals(**{name: float(value)}) for value in values], pull)
            print(line(name, pull, np.repeat(np.array(values, float), len(chosen)), found), flush=True)
    free = make([Intervals()], 0.0)
    told = zip(MEASURED, np.nanmedian(free, 0), np.nanstd(free, 0), np.isfinite(free).mean(0), strict=True)
    print("\nNothing asked: " + ", ".join(f"{n} {m:.0f} ± {s:.0f} ms in {k:.0%}" for n, m, s, k in told))
    print(f"{len(chosen)} conditions in sinus rhythm at {low:g} to {high:g} bpm, ms as the delineator measures them.")


if __name__ == "__main__":
    main()
