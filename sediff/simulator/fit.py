"""The simulator stage: fit morphology to the median beat of each statement and lead, all at once."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from sediff.simulator.morphology import ALL
from sediff.simulator.ode import WAVES, scale_with_rate, steady_beat
from sediff.simulator.params import SimulatorParams
from sediff.simulator.pictures import draw_fits
from sediff.simulator.rhythm import RhythmModel
from sediff.vocabulary import Vocabulary

POINTS = 128  # of a beat, θ from −π
START_THETA = (-1.2, -0.2, 0.0, 0.2, 1.5)  # usual places of P, Q, R, S, T at 60 bpm
START_WIDTHS = ((0.25, 0.1, 0.1, 0.1, 0.4), (0.2, 0.05, 0.06, 0.05, 0.3))  # a start each, and all are tried
WIDTHS = (0.03, 1.0)


@dataclass(frozen=True)
class ClassBeat:
    """Median beat of the records that stand for a statement."""

    statement: str
    source: str
    count: int
    heart_rate: float
    beat: NDArray[np.float64]


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
    beats = _record_beats(independent_leads(read_signals(corpus / "records", training)), peaks)
    classes = _class_beats(beats, statements, records["heart_rate"].to_numpy(), vocabulary, params.min_records)
    theta, a, b, fitted = fit(
        torch.tensor(np.stack([c.beat for c in classes]), dtype=torch.float32),
        torch.tensor([c.heart_rate for c in classes]),
        params,
    )
    errors = _relative_error(np.stack([c.beat for c in classes]), fitted.numpy())
    _table(classes, theta, a, b, errors).write_parquet(out / "morphology.parquet")
    RhythmModel.fit(statements, peaks, params.min_records).save(out)
    draw_fits([(c.statement, c.beat, f.numpy()) for c, f in zip(classes, fitted, strict=True)], report / "plots")
    own = [row for row, c in enumerate(classes) if c.source == "statement"]
    metrics: dict[str, Any] = {
        "statements": len(own),
        "fallbacks": {c.statement: c.source for c in classes if c.source not in ("statement", "all")},
        "relative_error": {"median": round(float(np.median(errors)), 4), "worst": round(float(errors.max()), 4)},
    }
    write_json(report / "metrics.json", metrics)
    return f"morphology of {len(own)} statements × 8 leads, relative error {metrics['relative_error']['median']:.3f}"


def fit(beats: Tensor, heart_rates: Tensor, params: SimulatorParams) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fit θ_i, a_i, b_i at 60 bpm to steady beats.

    Args:
        beats: (classes, 8, 128) in mV, θ from −π.
        heart_rates: (classes,), bpm.

    Returns:
        θ, a, b, each (classes, 8, 5), and the fitted beats (classes, 8, 128).
    """
    starts = len(START_WIDTHS) * 2
    shape = (starts, *beats.shape[:2], len(WAVES))
    omega = (2 * math.pi * heart_rates / 60)[:, None].expand(shape[:-1])
    places = torch.tensor(START_THETA)
    theta = places.expand(shape).clone().requires_grad_()
    log_b = _start_widths().log()[:, None, None].expand(shape).clone().requires_grad_()
    # What is optimised is the amplitude a·b²/ω in mV, which has one scale for narrow and wide waves.
    baseline = beats.median(-1, keepdim=True).values.expand(*shape[:-1], 1).clone().requires_grad_()
    amplitude = _start_amplitudes(beats - baseline.detach()[0], places).requires_grad_()
    optimiser = torch.optim.Adam([theta, log_b, amplitude, baseline], lr=params.learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, params.steps)
    scale = beats.std(-1, keepdim=True).clamp(min=0.01)

    def waves() -> tuple[Tensor, Tensor, Tensor]:
        theta_at_rate, b = scale_with_rate(theta, log_b.exp().clamp(*WIDTHS), heart_rates[:, None])
        return theta_at_rate, amplitude * omega[..., None] / b**2, b

    for _ in track(range(params.steps), params.steps, "simulator: fit"):
        fitted = steady_beat(omega, *waves(), POINTS) + baseline
        misfit = (((fitted - beats) / scale) ** 2).mean(-1)
        # Waves are kept near their usual places, or they would trade roles between leads.
        loss = (misfit + 1e-3 * ((theta - places) ** 2).mean(-1)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scheduler.step()
    best = misfit.detach().argmin(0)

    def of_best(values: Tensor) -> Tensor:
        return values.detach().gather(0, best[None, ..., None].expand(1, *values.shape[1:]))[0]

    b = log_b.detach().exp().clamp(*WIDTHS)
    return of_best(theta), of_best(waves()[1]), of_best(b), of_best(fitted)


def _start_widths() -> Tensor:
    """Widths of the waves at each start, (starts, 5): every pair of starts shares one."""
    return torch.tensor(START_WIDTHS).repeat_interleave(2, dim=0)


def _start_amplitudes(beats: Tensor, places: Tensor) -> Tensor:
    """The beat at the waves' usual places; in every second start Q and S point down: (starts, classes, 8, 5)."""
    points = ((places / (2 * math.pi) + 0.5) * POINTS).round().long()
    upright = beats[..., points]
    downward = upright.clone()
    downward[..., [1, 3]] = -0.15 * (beats.amax(-1) - beats.amin(-1))[..., None]
    return torch.stack([upright, downward]).repeat(len(START_WIDTHS), 1, 1, 1)


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
) -> list[ClassBeat]:
    """Median over records for each statement that occurs; too few fall back to the superclass, then to all."""
    usable = np.isfinite(beats).all((1, 2)) & np.isfinite(heart_rates)

    def average(statement: str, source: str, count: int, rows: NDArray[np.bool_]) -> ClassBeat:
        beat = np.median(beats[rows], axis=0)
        return ClassBeat(statement, source, count, float(np.median(heart_rates[rows])), beat.astype(np.float64))

    classes = [average(ALL, "all", int(usable.sum()), usable)]
    for code in vocabulary.codes:
        own = np.array([code in row for row in statements]) & usable
        if not own.any():
            continue
        superclass = vocabulary[code].superclass
        wider = np.array([superclass in vocabulary.superclasses(row) for row in statements]) & usable
        if own.sum() >= min_records:
            classes.append(average(code, "statement", int(own.sum()), own))
        elif superclass and wider.sum() >= min_records:
            classes.append(average(code, "superclass", int(own.sum()), wider))
        else:
            classes.append(average(code, "all", int(own.sum()), usable))
    return classes


def _relative_error(beats: NDArray[np.float64], fitted: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS of the misfit over the beat's own deviation, over all leads: (classes, 8)."""
    return np.sqrt(((beats - fitted) ** 2).mean(-1) / np.maximum(beats.var(-1), 1e-6))


def _table(classes: list[ClassBeat], theta: Tensor, a: Tensor, b: Tensor, errors: NDArray) -> pl.DataFrame:
    rows = [
        {
            "statement": c.statement,
            "lead": lead,
            "wave": wave,
            "theta": theta[i, j, k].item(),
            "a": a[i, j, k].item(),
            "b": b[i, j, k].item(),
            "error": float(errors[i, j]),
            "count": c.count,
            "source": c.source,
            "fitted_at": c.heart_rate,
        }
        for i, c in enumerate(classes)
        for j, lead in enumerate(INDEPENDENT_LEADS)
        for k, wave in enumerate(WAVES)
    ]
    floats = dict.fromkeys(("theta", "a", "b", "error", "fitted_at"), pl.Float32)
    return pl.DataFrame(rows, schema_overrides=floats)
