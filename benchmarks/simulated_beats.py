"""Whether simulated beats go with the rate as real ones: `python benchmarks/simulated_beats.py CLONE [--records 60]`.

**R amplitude from 50 to 150 bpm**, of each statement and lead that was fitted: the highest peak of the steady beat's
QRS above its level, the median of the 16 ms before the QRS; and the QRS's largest deflection, up or down. Where the
QRS begins and ends is marked by the delineator at the rate of the fit, and moves with the exponent of R's width.
Changes are against the rate of the fit. 2 % of an R below 0.1 mV, one small square of the paper, is a microvolt or
two, about what a record can hold: these are counted apart.

**QT at equal RR**, of each statement with enough records: for each of some training records one record simulated at its
rate, in the statement's rhythm. The same delineator measures both at 100 Hz. The bars, set before the measurement: the
median difference of a statement is within 15 ms, and the slope of log QT on log RR of simulated records lies within
the 95 % bootstrap interval (patients drawn) of the real records'.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.beats import find_r_peaks, heart_rate
from sediff.bootstrap import patient_draws
from sediff.delineation import delineate, measure
from sediff.ecg import INDEPENDENT_LEADS, SAMPLING_RATE, to_microvolts, to_millivolts, twelve_leads
from sediff.progress import track
from sediff.records import read_columns, read_signals
from sediff.simulator.course import Course
from sediff.simulator.dataset import Simulator, Wanted
from sediff.simulator.morphology import EVERYBODY, OWN, Morphology
from sediff.simulator.ode import WAVES, RateExponents, Waves, omega_of, steady_beat
from sediff.simulator.rates import fit_slope
from sediff.simulator.rhythm import NORMAL
from sediff.simulator.simulate import simulate

RATES = np.arange(50.0, 151.0, 10.0)  # bpm
POINTS, FINE = 4000, 500  # of a steady beat; Hz at which the QRS is marked
LEVEL = 0.016  # s before the QRS
SMALL, NO_R, BAR = 0.1, 0.02, 0.02  # mV, mV, share
QT_BAR, FEWEST, DRAWS = 15.0, 50, 200  # ms, records, bootstrap draws
R = WAVES.index("R")


def fitted(morphology: Morphology) -> tuple[list[str], Waves, RateExponents, Tensor]:
    """Statements with a fit of their own, and everybody; their waves at 60 bpm and exponents; the rates of the fits."""
    rows = [row for row, source in enumerate(morphology.sources) if source == OWN]
    rows.append(morphology.sources.index(EVERYBODY))
    names, rates = zip(*((morphology.statements[row], morphology.rates[row]) for row in rows), strict=True)
    waves = Waves(morphology.theta, morphology.a, morphology.b).rows(torch.tensor(rows))
    exponents = RateExponents(*(powers[torch.tensor(rows), None] for powers in morphology.exponents))
    at = torch.tensor(rates, dtype=torch.float64)
    return list(names), Waves(*(values.double() for values in waves)), exponents, at


def qrs_of(waves: Waves, rate: float) -> tuple[float, float]:
    """When the QRS of one statement begins and ends, s after R."""
    peaks = np.arange(0.5 - 120 / rate, 12.0, 60 / rate)
    course = Course(peaks, np.full(len(peaks), NORMAL), peaks, np.empty(0))
    one = Waves(*(values[None].float() for values in waves))
    x = to_microvolts(simulate(one, one, [course], torch.tensor([rate]), FINE)[0].numpy())
    inside = peaks[(peaks > 0.3) & (peaks < 9.7)]
    beats = delineate(to_millivolts(twelve_leads(x)), FINE, inside)
    return float(np.median(beats.qrs_onset - inside)), float(np.median(beats.qrs_offset - inside))


def voltages(waves: Waves, rates: Tensor, onset: Tensor, offset: Tensor) -> Tensor:
    """R, and the QRS's highest and lowest point, in mV above its level: (3, n, 8); R is NaN without a peak.

    Args:
        waves: at these rates, (n, 8, 5).
        rates: bpm, (n,).
        onset, offset: of the QRS, s after R, (n,).
    """
    beat = steady_beat(omega_of(rates)[:, None].expand(-1, len(INDEPENDENT_LEADS)), *waves, POINTS)
    time = (torch.arange(POINTS) / POINTS - 0.5) * 60 / rates[:, None]
    before = ((time >= onset[:, None] - LEVEL) & (time <= onset[:, None]))[:, None]
    within = ((time >= onset[:, None]) & (time <= offset[:, None]))[:, None]
    deflection = beat - torch.where(before, beat, torch.nan).nanmedian(-1, keepdim=True).values
    peak = torch.zeros_like(beat, dtype=torch.bool)
    peak[..., 1:-1] = (beat[..., 1:-1] > beat[..., :-2]) & (beat[..., 1:-1] >= beat[..., 2:])
    high = torch.where(within & peak, deflection, -torch.inf).amax(-1)
    inside = torch.where(within, deflection, 0.0)
    return torch.stack([torch.where(high.isfinite(), high, torch.nan), inside.amax(-1), inside.amin(-1)])


def print_amplitudes(morphology: Morphology) -> None:
    """How far R and the QRS's largest deflection change with the rate."""
    names, waves, exponents, at = fitted(morphology)
    each = _each(waves.at_rate(at[:, None], exponents))
    marks = [qrs_of(waves_at, rate) for waves_at, rate in zip(each, at.tolist(), strict=True)]
    onset, offset = torch.tensor(marks, dtype=torch.float64).T
    power = morphology.common.width[R] - 1  # of seconds

    def at_rates(rates: Tensor) -> Tensor:
        ratio = (rates / at) ** power
        return voltages(waves.at_rate(rates[:, None], exponents), rates, onset * ratio, offset * ratio)

    reference = at_rates(at)
    over_rates = torch.stack([at_rates(torch.full_like(at, rate)) for rate in RATES])
    r, up, down = (over_rates / reference - 1).abs().amax(0)
    largest = torch.where(reference[1] > -reference[2], up, down)
    high, some = reference[0] >= SMALL, reference[0] >= NO_R
    print(f"statements and leads: {r.numel()}, of these without R above {1000 * NO_R:.0f} µV: {int((~some).sum())}")
    for what, change in (
        (f"R of {SMALL} mV or more", r[high]),
        (f"R of {NO_R} to {SMALL} mV", r[some & ~high]),
        ("largest deflection of the QRS", largest.flatten()),
    ):
        kept = (change <= BAR).double().mean()
        print(f"{what}: {len(change)}, within 2 %: {100 * kept:.1f} %, worst {100 * change.max():.1f} %")
    for place in torch.where(high, r, 0.0).flatten().argsort(descending=True)[:3].tolist():
        name, lead = names[place // len(INDEPENDENT_LEADS)], INDEPENDENT_LEADS[place % len(INDEPENDENT_LEADS)]
        print(f"  {name} {lead}: {100 * r.flatten()[place]:.2f} %")


def _each(waves: Waves) -> list[Waves]:
    """Waves of each statement, each (8, 5)."""
    return [waves.rows(torch.tensor(row)) for row in range(len(waves.theta))]


def qt_and_rr(signal: NDArray[np.int16]) -> tuple[float, float]:
    """QT in ms and mean RR in s of a 12-lead record in µV; NaN where there is none."""
    x = to_millivolts(signal)
    beats = delineate(x, SAMPLING_RATE, find_r_peaks(x[None], SAMPLING_RATE)[0])
    return measure(beats).qt, 60 / heart_rate(beats.r_peak)


def slope_of(pairs: NDArray[np.float64]) -> float:
    """Slope of log QT on log RR of rows (QT, RR); NaN where it cannot be told."""
    slope = fit_slope(pairs[:, 1], pairs[:, 0], 2)
    return slope.slope if slope else float("nan")


def print_qt(simulator: Simulator, corpus: Path, most: int, only: list[str]) -> None:
    """QT of simulated against real records of each statement."""
    records = read_columns(corpus / "records")
    usable = (records["split"] == "train") & records["heart_rate"].is_finite() & records["qt"].is_finite()
    place = np.flatnonzero(usable.fill_null(False).to_numpy())
    records = records[place].with_row_index("row")
    chosen = {}
    for statement, source in zip(simulator.morphology.statements, simulator.morphology.sources, strict=True):
        rows = records.filter(pl.col("statements").list.contains(statement))["row"].to_numpy()
        if source == OWN and len(rows) >= FEWEST and (not only or statement in only):
            chosen[statement] = np.random.default_rng(0).permutation(rows)[:most]
    needed = np.unique(np.concatenate(list(chosen.values())))
    mask = np.zeros(len(usable), bool)
    mask[place[needed]] = True
    signals = read_signals(corpus / "records", mask)
    real = np.array([qt_and_rr(x) for x in track(signals, len(signals), "real records")])
    patients, rates = records["patient_id"].to_numpy(), records["heart_rate"].to_numpy()
    print("statement, records; QT real, simulated less real at equal RR (median), slope real (interval), simulated")
    differences, kept = [], 0
    for statement, rows in track(chosen.items(), len(chosen), "simulated"):
        wanted = [Wanted((statement,), float(rates[row])) for row in rows]
        made = np.array([qt_and_rr(simulator.simulate(one, 1, seed).signals[0]) for seed, one in enumerate(wanted)])
        pairs = real[np.searchsorted(needed, rows)]
        both = np.isfinite(made).all(1) & np.isfinite(pairs).all(1)
        made, pairs, owners = made[both], pairs[both], patients[rows][both]
        # What is left of a difference in RR, of which beats the window holds, is taken out by Fridericia's root.
        differences.append(float(np.median(made[:, 0] * (pairs[:, 1] / made[:, 1]) ** (1 / 3) - pairs[:, 0])))
        drawn = [slope_of(pairs[draw]) for draw in patient_draws(owners, DRAWS, np.random.default_rng(0))]
        low, high = np.nanpercentile(drawn, (2.5, 97.5))
        slope = slope_of(made)
        kept += low <= slope <= high
        print(
            f"{statement:8s} {len(made):4d}; {np.median(pairs[:, 0]):.0f} ms, {differences[-1]:+.1f} ms, "
            f"{slope_of(pairs):.2f} ({low:.2f} to {high:.2f}), {slope:.2f}"
        )
    size = np.abs(differences)
    print(
        f"{len(size)} statements: median difference within {QT_BAR:.0f} ms in {(size <= QT_BAR).sum()}, "
        f"worst {size.max():.1f} ms, middle {np.median(differences):+.1f} ms; slope within the interval in {kept}"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="where `corpus` and `simulator` have run")
    parser.add_argument("--simulator", type=Path, help="what the stage wrote, where it is not the clone's")
    parser.add_argument("--records", type=int, default=60, help="of a statement at most")
    parser.add_argument("--statement", action="append", default=[], help="only these, for QT")
    arguments = parser.parse_args()
    simulator = Simulator.load(arguments.simulator or arguments.clone / "data/simulator")
    print_amplitudes(simulator.morphology)
    print_qt(simulator, arguments.clone / "data/corpus", arguments.records, arguments.statement)


if __name__ == "__main__":
    main()
