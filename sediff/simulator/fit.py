"""The simulator stage: morphology of each statement and each training record, rhythms, and how waves go with rate."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.ecg import INDEPENDENT_LEADS, independent_leads
from sediff.errors import UserError
from sediff.files import write_json
from sediff.records import read_columns, read_signals, write_table
from sediff.simulator.beats import (
    ClassBeat,
    Standing,
    class_beats,
    complete,
    median_beats,
    ventricular_beats,
)
from sediff.simulator.descent import Fit, fit, usual_starts
from sediff.simulator.ends import marked_t_ends
from sediff.simulator.morphology import ALL, FILE, OWN, Morphology
from sediff.simulator.ode import WAVES, RateExponents
from sediff.simulator.own import MARKS, ends_of, fit_records, own_table, rates_of
from sediff.simulator.params import SimulatorParams
from sediff.simulator.pictures import draw_errors, draw_fits
from sediff.simulator.rates import Slope, class_slopes, fit_exponents, with_slopes
from sediff.simulator.rhythm import SINUS, VENTRICULAR, RhythmModel, rhythm_of
from sediff.vocabulary import Vocabulary

LATEST = 0.4  # rad: by so much a fit's T may be told to end elsewhere


def fit_simulator(params: SimulatorParams, corpus: Path, vocabulary: Vocabulary, out: Path, report: Path) -> str:
    """Fit the training records' median beats, intervals and rhythms.

    Writes `morphology.parquet` (of statements), `records.parquet` (of training records), `rhythm.parquet` and
    `ectopy.parquet` into `out`, metrics and pictures into `report`.

    Raises:
        UserError: there is no training record, or none with a heart rate and a complete beat.
    """
    records = read_columns(corpus / "records")
    training = (records["split"] == "train").to_numpy()
    if not training.any():
        raise UserError("corpus has no training record: check corpus.folds.")
    records = records.filter(pl.col("split") == "train")
    statements, kinds = records["statements"].to_list(), records["beat_kinds"].to_list()
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    rates = rates_of(records)
    signals = independent_leads(read_signals(corpus / "records", training))
    normal = median_beats(signals, peaks, kinds, rates)
    marks = {mark: records[mark].to_list() for mark in MARKS}
    known = ends_of(records)
    t_ends = known["t_offset"]
    beats, standings = class_beats(normal, statements, rates, t_ends, vocabulary, params.min_records)
    ectopic = median_beats(signals, peaks, kinds, rates, VENTRICULAR)
    for beat, count in ventricular_beats(ectopic, rates, params.min_records):
        standings.append(Standing(beat.name, count, len(beats)))
        beats.append(beat)
    sinus = np.array([rhythm_of(codes) == SINUS for codes in statements])
    exponents, slopes = fit_exponents(marks, rates, sinus, params.min_records)
    wanted = torch.tensor(np.stack([beat.beat for beat in beats]), dtype=torch.float32)
    at = torch.tensor([beat.heart_rate for beat in beats])
    ends = torch.tensor([beat.t_end for beat in beats])
    rows_of = {beat.name: _with(beat.name, statements) for beat in beats if beat.source == OWN}
    own_slopes = class_slopes(60 / rates, t_ends, rows_of, slopes.get("t_end"), params.min_records)
    of_beats = with_slopes(exponents, [own_slopes.get(beat.name) for beat in beats])
    shared = RateExponents(*(powers[:, None] for powers in of_beats))  # by all leads
    fitted = fit_with_ends(wanted, at, ends, shared, params.steps)
    _class_table(standings, beats, fitted, of_beats).write_parquet(out / FILE)
    own = fit_records(normal, rates, known, statements, Morphology.load(out), params.record_steps)
    rows = complete(normal)
    write_table(own_table(records.filter(rows), rates[rows], own), out / "records.parquet")
    rhythms = RhythmModel.fit(statements, peaks, kinds, records["p_onsets"].to_list(), params.min_records)
    rhythms.save(out)
    shown = [standings[0], *sorted((s for s in standings[1:] if beats[s.beat].source == OWN), key=_most_first)]
    draw_fits([(s.statement, beats[s.beat].beat, fitted.beats[s.beat].numpy()) for s in shown], report / "plots")
    draw_errors([s.statement for s in shown], fitted.error[[s.beat for s in shown]].numpy(), report / "plots")
    metrics = _metrics(standings, beats, fitted, own, rhythms, slopes, own_slopes)
    write_json(report / "metrics.json", metrics)
    return (
        f"morphology of {metrics['statements']} statements and {metrics['records']['fitted']} records × 8 leads, "
        f"relative error {metrics['relative_error']['median']:.3f} and {metrics['records']['median']:.3f}"
    )


def fit_with_ends(beats: Tensor, rates: Tensor, ends: Tensor, exponents: RateExponents, steps: int) -> Fit:
    """Fits in whose records T ends where it should: a second one takes back by how much that of the first is off.

    P and QRS of a class begin when they like: its beat is the median of many, in which they are blurred.
    """
    starts = usual_starts(beats, rates, exponents)
    first = fit(beats, rates, starts, steps, exponents, {"t_offset": ends})
    late = marked_t_ends(first.waves.at_rate(rates[:, None], exponents), rates) - ends
    return fit(beats, rates, starts, steps, exponents, {"t_offset": ends - late.nan_to_num().clamp(-LATEST, LATEST)})


def _with(statement: str, statements: list[list[str]]) -> NDArray[np.bool_]:
    return np.array([statement in codes for codes in statements])


def _class_table(
    standings: list[Standing], beats: list[ClassBeat], fitted: Fit, exponents: RateExponents
) -> pl.DataFrame:
    """A row for each statement, lead and wave."""
    offset, width = (powers.tolist() for powers in exponents)
    theta, a, b = (values.tolist() for values in fitted.waves)
    error = fitted.error.tolist()
    rows = [
        {
            "statement": s.statement,
            "lead": lead,
            "wave": wave,
            "theta": theta[s.beat][j][k],
            "a": a[s.beat][j][k],
            "b": b[s.beat][j][k],
            "error": error[s.beat][j],
            "count": s.count,
            "source": beats[s.beat].source,
            "fitted_at": beats[s.beat].heart_rate,
            "offset_exponent": offset[s.beat][k],
            "width_exponent": width[s.beat][k],
        }
        for s in standings
        for j, lead in enumerate(INDEPENDENT_LEADS)
        for k, wave in enumerate(WAVES)
    ]
    floats = ("theta", "a", "b", "error", "fitted_at", "offset_exponent", "width_exponent")
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(floats, pl.Float32))


def _metrics(
    standings: list[Standing],
    beats: list[ClassBeat],
    fitted: Fit,
    own: Fit,
    rhythms: RhythmModel,
    slopes: dict[str, Slope],
    own_slopes: dict[str, float],
) -> dict[str, Any]:
    errors = fitted.error.numpy()
    named = [s for s in standings if not s.statement.startswith(ALL)]
    fits = [s for s in named if beats[s.beat].source == OWN]
    return {
        "statements": len(fits),
        "fallbacks": {s.statement: beats[s.beat].source for s in named if beats[s.beat].source != OWN},
        "relative_error": {
            "median": _rounded(np.median(errors)),
            "worst": _rounded(errors.max()),
            "by_statement": {s.statement: _rounded(np.median(errors[s.beat])) for s in fits},
            "by_lead": dict(zip(INDEPENDENT_LEADS, map(_rounded, np.median(errors, axis=0)), strict=True)),
        },
        "records": {
            "fitted": len(own.error),
            "median": _rounded(own.error.median()),
            "by_lead": dict(zip(INDEPENDENT_LEADS, map(_rounded, own.error.median(0).values), strict=True)),
        },
        "rate_slopes": {
            name: {"slope": _rounded(s.slope), "error": _rounded(s.error), "records": s.records}
            for name, s in slopes.items()
        },
        "t_end_slopes": {name: _rounded(slope) for name, slope in own_slopes.items()},
        "ectopic_beats": {kind: ectopy.count for kind, ectopy in rhythms.ectopy.items()},
    }


def _most_first(standing: Standing) -> tuple[int, str]:
    return -standing.count, standing.statement


def _rounded(value: Any) -> float:
    return round(float(value), 4)
