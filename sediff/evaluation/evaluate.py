"""The evaluation stage: synthetic records of held-out conditions against the real records of those conditions."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sediff.autoencoder.model import Autoencoder
from sediff.bootstrap import interval, patient_draws
from sediff.ecg import independent_leads, limb_lead_residual
from sediff.encoder.judge import BATCH, Judge
from sediff.encoder.patients import Training
from sediff.errors import UserError
from sediff.evaluation import agreement, privacy, rhythm
from sediff.evaluation.compared import Judges, Matched, Records
from sediff.evaluation.controls import controls
from sediff.evaluation.distribution import coverage_density, deviation_ratios, distances, frechet_distance
from sediff.evaluation.params import EvaluationParams
from sediff.evaluation.pictures import draw_pairs, draw_rhythm, draw_spectra
from sediff.files import write_json
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals
from sediff.vocabulary import Vocabulary, statement_labels

MIN_CASES = 10  # half of what the judges are scored with: there are fewer records
PLANTED = 50  # disguised copies that the search for near-copies must find


def evaluate(
    params: EvaluationParams,
    corpus: Path,
    synthetic: Path,
    judges_folder: Path,
    autoencoder: Path,
    vocabulary: Vocabulary,
    out: Path,
    report: Path,
    seed: int,
    pseudonyms: Pseudonyms,
) -> str:
    """Write `records.parquet` (what was measured on each synthetic record) and the metrics and pictures.

    Real records are called as they are in the synthetic rows. One whose condition was asked for several times counts
    once.

    Raises:
        UserError: the synthetic records belong to another corpus.
    """
    judges = Judges.load(judges_folder)
    judge = judges.statement
    made = Records.of(read_columns(synthetic / "records"), read_signals(synthetic / "records"), judges)
    columns, stored = pseudonyms.rows(read_columns(corpus / "records")), read_signals(corpus / "records")
    conditions = Matched.of(made.rows, columns)
    real = Records.of(columns[conditions.corpus_rows], stored[conditions.corpus_rows], judges)
    train = np.flatnonzero((columns["split"] == "train").to_numpy())
    training_leads = independent_leads(stored[train])
    rates, dispersion = rhythm.measure(made.leads)
    _, real_dispersion = rhythm.measure(real.leads)
    statements = made.rows["statements"].to_list()
    real_statements = [statements[row] for row in conditions.first]
    copies = {
        "synthetic": privacy.nearest(made.leads, training_leads, params.near_copy),
        "held_out": privacy.nearest(real.leads, training_leads, params.near_copy),
    }
    asked = made.rows["heart_rate"].cast(pl.Float64).to_numpy()
    enough = len(real.rows) >= params.min_records
    held_out_patients = columns.filter(pl.col("split") == "test")["patient_id"].unique()
    seen = Training.read(judges_folder).seen(held_out_patients, pseudonyms)
    metrics: dict[str, Any] = {
        "records": len(made.rows),
        "judges": {"held_out_patients": len(held_out_patients), **({} if seen is None else {"seen_patients": seen})},
        "heart_rate": rhythm.compare_rates(asked, rates, rhythm.sinus_rows(statements)),
        "rhythm": rhythm.compare_dispersion(
            dispersion, real_dispersion, statements, real_statements, params.irregular, MIN_CASES
        ),
        "limb_leads": {"residual_uv": float(np.abs(limb_lead_residual(made.signals)).max())},
        "deviation_ratio": deviation_ratios(made.leads, real.leads),
        "agreement": _agreement(judge, made, real, conditions, seed),
        "clip": _clip(judges, made, real, conditions, vocabulary, params.bootstraps, seed),
        "privacy": _privacy(copies, params.near_copy) | _planted(training_leads, params, seed),
    }
    if enough:
        floor = floor_rows(columns, params.min_records)
        held_out = Records.of(columns.filter(pl.Series(floor)), stored[floor], judges)
        metrics |= _distribution(params, judges, made.only(conditions.first), real, held_out, seed)
        if records := metrics["distribution"].get("records_compared"):
            rng = np.random.default_rng([seed, 6])
            metrics["reconstruction"] = reconstruction_distance(
                autoencoder, judge, held_out.leads, records, params.bootstraps, rng
            )
    left_out = {
        f"distribution: fewer than evaluation.min_records = {params.min_records} real records": not enough,
        "judges.seen_patients: the judges' patients are under another pseudonym key": seen is None,
    }
    if any(left_out.values()):
        metrics["left_out"] = [note for note, is_so in left_out.items() if is_so]
    write_json(report / "metrics.json", _rounded(metrics))
    nearest_ids = columns["record_id"].to_numpy()[train][copies["synthetic"].rows]
    made.rows.select("record_id", "matched_record_id").with_columns(
        measured_heart_rate=pl.Series(rates, dtype=pl.Float32).fill_nan(None),
        measured_dispersion=pl.Series(dispersion, dtype=pl.Float32).fill_nan(None),
        nearest_training_record=pl.Series(nearest_ids),
        nearest_correlation=pl.Series(copies["synthetic"].correlation, dtype=pl.Float32),
    ).write_parquet(out / "records.parquet")
    plots = report / "plots"
    draw_rhythm(rates, dispersion, real_dispersion, asked, statements, real_statements, plots / "rhythm.png")
    draw_spectra(made.leads, real.leads, plots / "spectra.png")
    chosen = _chosen(made, judge, params.pictures)
    shown = [(i, conditions.partner[i], why) for i, why in chosen.items()]
    draw_pairs([(statements[i], real.signals[row], made.signals[i], why) for i, row, why in shown], plots)
    return _summary(metrics)


def _agreement(judge: Judge, made: Records, real: Records, conditions: Matched, seed: int) -> dict:
    """The judge on synthetic records, on the real ones of the same conditions, and against shuffled conditions."""
    truth = statement_labels(made.rows["statements"].to_list(), judge.codes)
    on_synthetic = judge.probabilities(made.leads)
    shuffled = truth[np.random.default_rng([seed, 1]).permutation(len(truth))]
    result: dict[str, Any] = {}
    for name, labels, probabilities in (
        ("synthetic", truth, on_synthetic),
        ("real", truth[conditions.first], judge.probabilities(real.leads)),
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


def _distribution(
    params: EvaluationParams, judges: Judges, made: Records, real: Records, held_out: Records, seed: int
) -> dict[str, Any]:
    """FD, KID and coverage in the features of judges (a) and (b), beside the floor and controls that must look bad.

    Args:
        made: one for each of `real`, the first of its condition.
    """
    if params.neighbours >= len(real.rows):
        raise UserError(
            f"evaluation.neighbours = {params.neighbours} needs more than the {len(real.rows)} real records "
            "that there are: lower it."
        )
    made_up = controls(real.leads, np.random.default_rng([seed, 2]))
    patients = held_out.rows["patient_id"].to_list()
    result = {}
    for section, judge in (("distribution", judges.statement), ("distribution_waveform", judges.waveform)):
        name = judge.name
        sets = {"synthetic": made.features[name]}
        sets |= {control: judge.features(signals) for control, signals in made_up.items()}
        rng = np.random.default_rng([seed, 3])
        values = distances(held_out.features[name], patients, sets, params.bootstraps, rng)
        coverage, density = coverage_density(real.features[name], sets["synthetic"], params.neighbours)
        values |= {"coverage": coverage, "density": density}
        for control in ("noise", "shuffled_leads"):
            values[f"coverage_{control}"], _ = coverage_density(real.features[name], sets[control], params.neighbours)
        result[section] = values
    return result


def reconstruction_distance(
    autoencoder: Path, judge: Judge, leads: NDArray[np.float32], records: int, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """FD between reconstructions and their own originals (n, 8, 1000), mV: the autoencoder's share of any FD.

    Args:
        records: that are compared in each draw, as many as in the FD that it is set beside.
    """
    network = Autoencoder.load(autoencoder)
    with torch.no_grad():
        parts = [network.decode(network.encode(part)) for part in torch.from_numpy(leads).split(BATCH)]
    decoded, originals = judge.features(torch.cat(parts).numpy()), judge.features(leads)
    drawn = [rng.choice(len(leads), records, replace=False) for _ in range(draws)]
    fd = interval([frechet_distance(decoded[rows], originals[rows]) for rows in drawn])
    return {"records_compared": records, "fd": fd}


def floor_rows(columns: pl.DataFrame, min_records: int) -> NDArray[np.bool_]:
    """Held-out records that people have validated; all held-out ones where too few are."""
    held_out = (columns["split"] == "test").to_numpy()
    validated = held_out & columns["human_validated"].fill_null(False).to_numpy()
    return validated if validated.sum() >= min_records else held_out


def _clip(
    judges: Judges,
    made: Records,
    real: Records,
    conditions: Matched,
    vocabulary: Vocabulary,
    bootstraps: int,
    seed: int,
) -> dict:
    """The CLIP score of judge (c): mean cosine of text and ECG, of synthetic, real and wrongly paired records."""
    texts = judges.text.texts(judges.text.encode(made.rows["text"].to_list(), vocabulary))
    rng = np.random.default_rng([seed, 4])
    on_synthetic = judges.text.ecgs(made.leads)
    shuffled = on_synthetic[rng.permutation(len(on_synthetic))]
    of_real = real.rows["patient_id"].to_numpy()
    of_made = of_real[conditions.partner]
    result: dict[str, Any] = {"records": len(texts), "real_records": len(of_real)}
    for name, asked, ecgs, patients in (
        ("synthetic", texts, on_synthetic, of_made),
        ("real", texts[conditions.first], judges.text.ecgs(real.leads), of_real),
        ("shuffled", texts, shuffled, of_made),
    ):
        cosine = (asked * ecgs).sum(1)
        drawn = patient_draws(patients, bootstraps, np.random.default_rng([seed, 7]))
        result[name] = {"mean": float(cosine.mean()), **interval([float(cosine[rows].mean()) for rows in drawn])}
    return result


def _chosen(made: Records, judge: Judge, count: int) -> dict[int, str]:
    """Records for pictures, by rule: the first of each of the most frequent conditions, then the least convincing."""
    conditions = [tuple(codes) for codes in made.rows["statements"].to_list()]
    frequent = [c for c, _ in sorted(Counter(conditions).items(), key=lambda item: (-item[1], item[0]))]
    chosen = {conditions.index(condition): "first of its condition" for condition in frequent[:count]}
    truth = statement_labels(conditions, judge.codes)
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
    if "synthetic" in metrics.get("distribution", {}):
        distribution = metrics["distribution"]
        parts.append(
            f"FD {distribution['synthetic']['fd']['median']:.2f} (real {distribution['real']['fd']['median']:.2f})"
        )
        parts.append(f"coverage {distribution['coverage']:.2f}")
    found = metrics["agreement"]
    if "auroc_synthetic" in found:
        real = f" (real {found['auroc_real']:.3f})" if "auroc_real" in found else ""
        parts.append(f"AUROC {found['auroc_synthetic']:.3f}{real}")
    return ", ".join(parts)
