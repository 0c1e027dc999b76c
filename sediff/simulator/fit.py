"""The simulator stage: fit morphology to the median beat of each statement and lead, all at once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.ecg import INDEPENDENT_LEADS, SAMPLES, SAMPLING_RATE, independent_leads, to_millivolts
from sediff.errors import UserError
from sediff.files import write_json
from sediff.progress import track
from sediff.records import read_columns, read_signals
from sediff.simulator.morphology import ALL, OWN, SUPERCLASS
from sediff.simulator.ode import WAVES, scale_with_rate, steady_beat
from sediff.simulator.params import SimulatorParams
from sediff.simulator.pictures import draw_fits
from sediff.simulator.rhythm import RhythmModel
from sediff.vocabulary import Vocabulary

POINTS = 128  # of a beat, θ from −π
WIDTHS = (0.03, 1.0)
# The descent starts from each pairing of these, with Q and S as the beat has them and with both pointing down.
START_PLACES = ((-1.2, -0.2, 0.0, 0.2, 1.5), (-1.2, -0.1, 0.15, 0.45, 1.9))  # at 60 bpm: usual; rSR′ of a right block
START_WIDTHS = ((0.25, 0.1, 0.1, 0.1, 0.4), (0.2, 0.05, 0.06, 0.05, 0.3))
MOVING = ("theta", "log_b", "amplitude", "baseline")  # what the descent changes
TRIAL = 0.25  # share of the steps after which the best start of each beat goes on alone
STAY = 1e-3  # weight of a wave's distance from where it started, or waves would trade roles between leads


@dataclass(frozen=True)
class ClassBeat:
    """Median beat of the training records of a statement, a superclass or all, (8, 128) in mV over θ."""

    name: str
    source: str
    heart_rate: float
    beat: NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """Which beat stands for a statement, and how many training records have the statement."""

    statement: str
    count: int
    beat: int


def fit_simulator(params: SimulatorParams, corpus: Path, vocabulary: Vocabulary, out: Path, report: Path) -> str:
    """Write `morphology.parquet` and `rhythm.parquet` into `out`, metrics and pictures into `report`.

    Raises:
        UserError: there is no training record.
    """
    records = read_columns(corpus / "records")
    training = (records["split"] == "train").to_numpy()
    if not training.any():
        raise UserError("corpus has no training record: check corpus.folds.")
    records = records.filter(pl.col("split") == "train")
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    statements = records["statements"].to_list()
    record_beats = _record_beats(independent_leads(read_signals(corpus / "records", training)), peaks)
    rates = records["heart_rate"].to_numpy()
    beats, standings = _class_beats(record_beats, statements, rates, vocabulary, params.min_records)
    wanted = np.stack([beat.beat for beat in beats])
    theta, a, b, fitted = fit(
        torch.tensor(wanted, dtype=torch.float32), torch.tensor([beat.heart_rate for beat in beats]), params
    )
    errors = _relative_error(wanted, fitted.numpy())
    _table(standings, beats, theta, a, b, errors).write_parquet(out / "morphology.parquet")
    RhythmModel.fit(statements, peaks, params.min_records).save(out)
    own = [s for s in standings if beats[s.beat].source == OWN]
    shown = [next(s for s in standings if s.statement == ALL), *sorted(own, key=lambda s: (-s.count, s.statement))]
    draw_fits([(s.statement, wanted[s.beat], fitted[s.beat].numpy()) for s in shown], report / "plots")
    metrics: dict[str, Any] = {
        "statements": len(own),
        "fallbacks": {
            s.statement: beats[s.beat].source for s in standings if s.statement != ALL and beats[s.beat].source != OWN
        },
        "relative_error": {
            "median": round(float(np.median(errors)), 4),
            "worst": round(float(errors.max()), 4),
            "by_statement": {s.statement: round(float(np.median(errors[s.beat])), 4) for s in own},
        },
    }
    write_json(report / "metrics.json", metrics)
    return f"morphology of {len(own)} statements × 8 leads, relative error {np.median(errors):.3f}"


def fit(beats: Tensor, heart_rates: Tensor, params: SimulatorParams) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fit θ_i, a_i, b_i at 60 bpm to steady beats.

    Args:
        beats: (classes, 8, 128) in mV, θ from −π.
        heart_rates: (classes,), bpm.

    Returns:
        θ, a, b, each (classes, 8, 5), and the fitted beats (classes, 8, 128).
    """
    guess = _Guess.starts(beats)
    for steps, label in ((math.ceil(TRIAL * params.steps), "simulator: starts"), (params.steps, "simulator: fit")):
        guess, misfit, fitted = _descend(guess, beats, heart_rates, steps, params.learning_rate, label)
        best = misfit.argmin(0)
        guess, fitted = guess.chosen(best), _choose(fitted, best)
    b = guess.log_b.exp().clamp(*WIDTHS)
    return guess.theta[0], guess.waves(heart_rates)[1][0], b[0], fitted[0]


@dataclass(frozen=True)
class _Guess:
    """Parameters at 60 bpm of each start, class and lead: (starts, classes, 8, 5), `baseline` (starts, classes, 8, 1).

    What is optimised is the amplitude a·b²/ω in mV, which has one scale for narrow and wide waves.
    """

    theta: Tensor
    log_b: Tensor
    amplitude: Tensor
    baseline: Tensor
    places: Tensor  # where θ started

    @classmethod
    def starts(cls, beats: Tensor) -> Self:
        """Every pairing of places, widths and directions of Q and S."""
        baseline = beats.median(-1, keepdim=True).values
        centred = beats - baseline
        theta, log_b, amplitude = [], [], []
        for places in map(torch.tensor, START_PLACES):
            upright = centred[..., ((places / (2 * math.pi) + 0.5) * POINTS).round().long()]
            downward = upright.clone()
            downward[..., [1, 3]] = -0.15 * (beats.amax(-1) - beats.amin(-1))[..., None]
            for widths in map(torch.tensor, START_WIDTHS):
                theta += [places.expand_as(upright)] * 2
                log_b += [widths.log().expand_as(upright)] * 2
                amplitude += [upright, downward]
        return cls(
            torch.stack(theta),
            torch.stack(log_b),
            torch.stack(amplitude),
            baseline.expand(len(theta), *baseline.shape),
            torch.stack(theta),
        )

    def chosen(self, start: Tensor) -> Self:
        """The start of each class and lead (classes, 8) alone."""
        return type(self)(*(_choose(values, start) for values in vars(self).values()))

    def waves(self, heart_rates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """θ, a, b at each class's heart rate."""
        theta, b = scale_with_rate(self.theta, self.log_b.exp().clamp(*WIDTHS), heart_rates[:, None])
        return theta, self.amplitude * _omega(heart_rates)[..., None] / b**2, b


def _descend(
    guess: _Guess, beats: Tensor, heart_rates: Tensor, steps: int, learning_rate: float, label: str
) -> tuple[_Guess, Tensor, Tensor]:
    """Adam from a guess: what was reached, its misfit (starts, classes, 8) and beats (starts, classes, 8, 128)."""
    moving = {name: getattr(guess, name).clone().requires_grad_() for name in MOVING}
    guess = replace(guess, **moving)
    optimiser = torch.optim.Adam(list(moving.values()), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    scale = beats.std(-1, keepdim=True).clamp(min=0.01)
    omega = _omega(heart_rates).expand(guess.theta.shape[:-1])
    for _ in track(range(steps), steps, label):
        fitted = steady_beat(omega, *guess.waves(heart_rates), POINTS) + guess.baseline
        misfit = (((fitted - beats) / scale) ** 2).mean(-1)
        loss = (misfit + STAY * ((guess.theta - guess.places) ** 2).mean(-1)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scheduler.step()
    with torch.no_grad():
        fitted = steady_beat(omega, *guess.waves(heart_rates), POINTS) + guess.baseline
        misfit = (((fitted - beats) / scale) ** 2).mean(-1)
    return replace(guess, **{name: values.detach() for name, values in moving.items()}), misfit, fitted


def _choose(values: Tensor, start: Tensor) -> Tensor:
    """Of (starts, classes, 8, k), the start that is named for each class and lead: (1, classes, 8, k)."""
    return values.gather(0, start[None, ..., None].expand(1, *values.shape[1:]))


def _omega(heart_rates: Tensor) -> Tensor:
    """Angular frequency of each class, (classes, 1), rad/s."""
    return (2 * math.pi * heart_rates / 60)[:, None]


def _record_beats(signals: NDArray[np.int16], peaks: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Median beat of each record over θ: (records, 8, 128) in mV; NaN where no beat is complete."""
    result = np.full((len(signals), len(INDEPENDENT_LEADS), POINTS), np.nan, np.float32)
    share = np.arange(POINTS) / POINTS - 0.5
    for record in track(range(len(signals)), len(signals), "simulator: median beats"):
        rr = np.diff(peaks[record])
        middle = peaks[record][1:-1, None] + np.where(share < 0, rr[:-1, None], rr[1:, None]) * share
        position = middle * SAMPLING_RATE
        left = np.clip(position.astype(int), 0, SAMPLES - 2)
        fraction = (position - left).astype(np.float32)
        x = to_millivolts(signals[record])
        if len(left):
            result[record] = np.median(x[:, left] * (1 - fraction) + x[:, left + 1] * fraction, axis=1)
    return result


def _class_beats(
    beats: NDArray[np.float32],
    statements: list[list[str]],
    heart_rates: NDArray[np.float32],
    vocabulary: Vocabulary,
    min_records: int,
) -> tuple[list[ClassBeat], list[Standing]]:
    """Median over records for each statement that occurs; too few fall back to the superclass, then to all.

    Raises:
        UserError: no training record has a complete beat and a heart rate.
    """
    usable = np.isfinite(beats).all((1, 2)) & np.isfinite(heart_rates)
    if not usable.any():
        raise UserError("No training record of the corpus has a complete beat: check corpus.screening.")
    superclasses = [vocabulary.superclasses(row) for row in statements]
    made: dict[tuple[str, str], int] = {}
    result: list[ClassBeat] = []

    def beat_of(name: str, source: str, rows: NDArray[np.bool_]) -> int:
        if (name, source) not in made:
            beat = np.median(beats[rows], axis=0).astype(np.float64)
            made[name, source] = len(result)
            result.append(ClassBeat(name, source, float(np.median(heart_rates[rows])), beat))
        return made[name, source]

    standings = [Standing(ALL, int(usable.sum()), beat_of(ALL, "all", usable))]
    for code, own in _rows_with(statements, vocabulary.codes, usable).items():
        superclass = vocabulary[code].superclass
        wider = np.array([superclass in row for row in superclasses]) & usable
        if own.sum() >= min_records:
            beat = beat_of(code, OWN, own)
        elif superclass and wider.sum() >= min_records:
            beat = beat_of(superclass, SUPERCLASS, wider)
        else:
            beat = beat_of(ALL, "all", usable)
        standings.append(Standing(code, int(own.sum()), beat))
    return result, standings


def _rows_with(
    statements: list[list[str]], codes: tuple[str, ...], usable: NDArray[np.bool_]
) -> Mapping[str, NDArray[np.bool_]]:
    """For each code that occurs among the usable records, a mask of those that have it."""
    masks = {code: np.array([code in row for row in statements]) & usable for code in codes}
    return {code: mask for code, mask in masks.items() if mask.any()}


def _relative_error(beats: NDArray[np.float64], fitted: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS of the misfit over the beat's own deviation, over all leads: (classes, 8)."""
    return np.sqrt(((beats - fitted) ** 2).mean(-1) / np.maximum(beats.var(-1), 1e-6))


def _table(
    standings: list[Standing], beats: list[ClassBeat], theta: Tensor, a: Tensor, b: Tensor, errors: NDArray[np.float64]
) -> pl.DataFrame:
    rows = [
        {
            "statement": s.statement,
            "lead": lead,
            "wave": wave,
            "theta": theta[s.beat, j, k].item(),
            "a": a[s.beat, j, k].item(),
            "b": b[s.beat, j, k].item(),
            "error": float(errors[s.beat, j]),
            "count": s.count,
            "source": beats[s.beat].source,
            "fitted_at": beats[s.beat].heart_rate,
        }
        for s in standings
        for j, lead in enumerate(INDEPENDENT_LEADS)
        for k, wave in enumerate(WAVES)
    ]
    floats = dict.fromkeys(("theta", "a", "b", "error", "fitted_at"), pl.Float32)
    return pl.DataFrame(rows, schema_overrides=floats)
