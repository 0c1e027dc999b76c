"""The evaluation stage: synthetic records of held-out conditions against the real records of those conditions."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ecg import independent_leads, limb_lead_residual, to_millivolts
from sediff.encoder.judge import Judge
from sediff.errors import UserError
from sediff.evaluation import agreement, privacy, rhythm
from sediff.evaluation.distribution import (
    coverage_density,
    deviation_ratios,
    frechet_distance,
    interval,
    kernel_distance,
)
from sediff.evaluation.params import EvaluationParams
from sediff.evaluation.pictures import draw_pairs, draw_rhythm, draw_spectra
from sediff.files import write_json
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals

MIN_CASES = 10
PLANTED = 50  # disguised copies that the search for near-copies must find


@dataclass(frozen=True)
class Records:
    """Rows, signals as stored (n, 12, 1000), the eight leads in mV, and the judge's features of them."""

    rows: pl.DataFrame
    signals: NDArray[np.int16]
    leads: NDArray[np.float32]
    features: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pl.DataFrame, signals: NDArray[np.int16], judge: Judge) -> "Records":
        leads = to_millivolts(independent_leads(signals))
        return cls(rows, signals, leads, judge.features(leads))

    def only(self, rows: NDArray[np.intp]) -> "Records":
        """Some of the records."""
        return Records(self.rows[rows], self.signals[rows], self.leads[rows], self.features[rows])


def evaluate(
    params: EvaluationParams,
    corpus: Path,
    synthetic: Path,
    encoder: Path,
    out: Path,
    report: Path,
    seed: int,
    pseudonyms: Pseudonyms,
) -> str:
    """Write `records.parquet` (what was measured on each synthetic record) and the metrics and pictures.

    Real records are called as they are in the synthetic rows.

    Raises:
        UserError: the synthetic records belong to another corpus.
    """
    judge = Judge.load(encoder)
    made = Records.of(read_columns(synthetic / "records"), read_signals(synthetic / "records"), judge)
    columns, stored = pseudonyms.rows(read_columns(corpus / "records")), read_signals(corpus / "records")
    real = Records.of(*_matched(made.rows, columns, stored), judge)
    train = np.flatnonzero((columns["split"] == "train").to_numpy())
    training_leads = independent_leads(stored[train])
    rates, dispersion = rhythm.measure(made.leads)
    _, real_dispersion = rhythm.measure(real.leads)
    statements = made.rows["statements"].to_list()
    copies = {
        "synthetic": privacy.nearest(made.leads, training_leads, params.near_copy),
        "held_out": privacy.nearest(real.leads, training_leads, params.near_copy),
    }
    asked = made.rows["heart_rate"].cast(pl.Float64).to_numpy()
    enough = made.rows["matched_record_id"].n_unique() >= params.min_records
    metrics: dict[str, Any] = {
        "records": len(made.rows),
        "heart_rate": rhythm.compare_rates(asked, rates, rhythm.sinus_rows(statements)),
        "rhythm": rhythm.compare_dispersion(dispersion, real_dispersion, statements, params.irregular, MIN_CASES),
        "limb_leads": {"residual_uv": float(np.abs(limb_lead_residual(made.signals)).max())},
        "deviation_ratio": deviation_ratios(made.leads, real.leads),
        "agreement": _agreement(judge, made, real, seed),
        "privacy": _privacy(copies, params.near_copy) | _planted(training_leads, params, seed),
    }
    if enough:
        metrics["distribution"] = _distribution(params, made, real, judge, seed)
    else:
        metrics["left_out"] = [f"distribution: fewer than evaluation.min_records = {params.min_records} real records"]
    write_json(report / "metrics.json", _rounded(metrics))
    nearest_ids = columns["record_id"].to_numpy()[train][copies["synthetic"].rows]
    made.rows.select("record_id", "matched_record_id").with_columns(
        measured_heart_rate=pl.Series(rates, dtype=pl.Float32).fill_nan(None),
        measured_dispersion=pl.Series(dispersion, dtype=pl.Float32).fill_nan(None),
        nearest_training_record=pl.Series(nearest_ids),
        nearest_correlation=pl.Series(copies["synthetic"].correlation, dtype=pl.Float32),
    ).write_parquet(out / "records.parquet")
    draw_rhythm(rates, dispersion, real_dispersion, asked, statements, report / "plots" / "rhythm.png")
    draw_spectra(made.leads, real.leads, report / "plots" / "spectra.png")
    chosen = _chosen(made, judge, params.pictures)
    draw_pairs(
        [(statements[i], real.signals[i], made.signals[i], label) for i, label in chosen.items()], report / "plots"
    )
    return _summary(metrics)


def _matched(
    made: pl.DataFrame, columns: pl.DataFrame, stored: NDArray[np.int16]
) -> tuple[pl.DataFrame, NDArray[np.int16]]:
    """The real record of each synthetic one's condition, in its order."""
    position = {record_id: row for row, record_id in enumerate(columns["record_id"])}
    missing = [record_id for record_id in made["matched_record_id"] if record_id not in position]
    if missing:
        raise UserError(f"Record {missing[0]}, whose condition was used, is not in the corpus: run synthesis again.")
    rows = [position[record_id] for record_id in made["matched_record_id"]]
    return columns[rows], stored[rows]


def _agreement(judge: Judge, made: Records, real: Records, seed: int) -> dict:
    """The judge on synthetic records, on the real ones of the same conditions, and against shuffled conditions."""
    truth = agreement.labels(made.rows["statements"].to_list(), judge.codes)
    on_synthetic = judge.probabilities(made.leads)
    shuffled = truth[np.random.default_rng([seed, 1]).permutation(len(truth))]
    result: dict[str, Any] = {}
    for name, labels, probabilities in (
        ("synthetic", truth, on_synthetic),
        ("real", truth, judge.probabilities(real.leads)),
        ("shuffled", shuffled, on_synthetic),
    ):
        scores = agreement.scores(labels, probabilities, judge.codes, MIN_CASES)
        if scores:
            result |= {f"auroc_{name}": scores["auroc"], f"auprc_{name}": scores["auprc"]}
        if name == "synthetic" and scores:
            result["statements"] = scores["statements"]
    return result


def _privacy(copies: dict[str, privacy.Nearest], threshold: float) -> dict:
    values = {}
    for name, found in copies.items():
        values[f"correlation_{name}"] = float(np.median(found.correlation))
        values[f"highest_correlation_{name}"] = float(found.correlation.max())
    values["near_copies"] = int((copies["synthetic"].correlation > threshold).sum())
    values["near_copies_held_out"] = int((copies["held_out"].correlation > threshold).sum())
    return values


def _planted(training: NDArray[np.int16], params: EvaluationParams, seed: int) -> dict:
    """The search's own control: disguised training records, and the share of them that it finds."""
    rows, signals = privacy.planted_copies(training, PLANTED, np.random.default_rng([seed, 5]))
    found = privacy.nearest(signals, training, params.near_copy)
    hits = (found.rows == rows) & (found.correlation > params.near_copy)
    return {"planted_copies": len(rows), "planted_copies_found": float(hits.mean())}


def _distribution(params: EvaluationParams, made: Records, real: Records, judge: Judge, seed: int) -> dict:
    """FD, KID and coverage at one number of records, beside the floor and controls that must look bad.

    Where a condition was asked for twice, its real record and the first synthetic one count once.
    """
    _, once = np.unique(made.rows["matched_record_id"].to_numpy(), return_index=True)
    made, real = made.only(np.sort(once)), real.only(np.sort(once))
    if params.neighbours >= len(real.features):
        raise UserError(
            f"evaluation.neighbours = {params.neighbours} needs more than the {len(real.features)} real records "
            "that there are: lower it."
        )
    rng = np.random.default_rng([seed, 2])
    half = len(real.features) // 2
    rows: dict[str, list[dict[str, float]]] = {}
    controls = {
        "synthetic": made.features,
        "flat_line": judge.features(np.zeros_like(real.leads)),
        "shuffled_leads": judge.features(rng.permuted(real.leads, axis=1)),
        "noise": judge.features(rng.normal(0, real.leads.std(), real.leads.shape).astype(np.float32)),
    }
    for _ in range(params.bootstraps):
        first, second = _patient_halves(real.rows["patient_id"].to_list(), rng)
        first, second = first[:half], second[:half]
        values = {"real": _distances(real.features[first], real.features[second])}
        size = len(second)
        for name, features in controls.items():
            drawn = rng.choice(len(features), size, replace=False)
            values[name] = _distances(real.features[first], features[drawn])
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
    coverage, density = coverage_density(real.features, made.features, params.neighbours)
    result: dict[str, Any] = {"coverage": coverage, "density": density, "records_compared": half}
    for name, values_of in rows.items():
        result[name] = {metric: interval([v[metric] for v in values_of]) for metric in ("fd", "kid")}
    result["coverage_noise"], _ = coverage_density(real.features, controls["noise"], params.neighbours)
    result["coverage_shuffled_leads"], _ = coverage_density(
        real.features, controls["shuffled_leads"], params.neighbours
    )
    return result


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, float]:
    return {"fd": frechet_distance(a, b), "kid": kernel_distance(a, b)}


def _patient_halves(patients: list[str], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Random halves of the records that share no patient."""
    unique = sorted(set(patients))
    first = set(rng.permutation(unique)[: len(unique) // 2].tolist())
    inside = np.array([patient in first for patient in patients])
    return rng.permutation(np.flatnonzero(inside)), rng.permutation(np.flatnonzero(~inside))


def _chosen(made: Records, judge: Judge, count: int) -> dict[int, str]:
    """Records for pictures, by rule: the first of each of the most frequent conditions, then the least convincing."""
    conditions = [tuple(codes) for codes in made.rows["statements"].to_list()]
    frequent = [c for c, _ in sorted(Counter(conditions).items(), key=lambda item: (-item[1], item[0]))]
    chosen = {conditions.index(condition): "first of its condition" for condition in frequent[:count]}
    truth = agreement.labels(conditions, judge.codes)
    probability = judge.probabilities(made.leads)
    doubt = -np.where(truth, np.log(probability + 1e-6), np.log(1 - probability + 1e-6)).sum(1)
    return {**chosen, int(doubt.argmax()): "worst: the judge doubts it most"}


def _rounded(value: Any) -> Any:
    """Six significant digits; what is not a number is left out."""
    if isinstance(value, dict):
        return {str(key): _rounded(v) for key, v in value.items() if not (isinstance(v, float) and not np.isfinite(v))}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _summary(metrics: dict[str, Any]) -> str:
    parts = [f"{metrics['records']} records"]
    if "mae_bpm" in metrics["heart_rate"]:
        parts.append(f"heart rate off by {metrics['heart_rate']['mae_bpm']:.2f} bpm")
    if "distribution" in metrics:
        distribution = metrics["distribution"]
        parts.append(
            f"FD {distribution['synthetic']['fd']['median']:.2f} (real {distribution['real']['fd']['median']:.2f})"
        )
        parts.append(f"coverage {distribution['coverage']:.2f}")
    if "auroc_synthetic" in metrics["agreement"]:
        agreement_values = metrics["agreement"]
        parts.append(f"AUROC {agreement_values['auroc_synthetic']:.3f} (real {agreement_values['auroc_real']:.3f})")
    return ", ".join(parts)
