"""The evaluation stage: synthetic records of held-out conditions against the real records of those conditions.

Which keys `metrics.json` has depends on the parameters, the vocabulary and what the corpus names, not on how many
records there are; but for what lists what occurs: `agreement.not_learned`, `agreement.rare.statements` and `names`.
What cannot be told, as of too few records, is null at its key, with nothing below, and `left_out` says why, at that key
or at what it is a part of. A name that is no key as it is stands under another one (see `keys`), and `names` says under
which.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sediff.encoder.embedding import EmbeddingAccess
from sediff.evaluation.alone import beside_simulator
from sediff.evaluation.audit import asked_of_training, canaries, membership, nearest_training, privacy
from sediff.evaluation.beats import beats, signs
from sediff.evaluation.dispersion import dispersion
from sediff.evaluation.effects import effects
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.exposure import Folders, OwnFits
from sediff.evaluation.halves import REAL
from sediff.evaluation.impossible import impossible
from sediff.evaluation.intervals import intervals
from sediff.evaluation.keys import NAMES, with_keys
from sediff.evaluation.likeness import deviation, likeness
from sediff.evaluation.meaning import meaning
from sediff.evaluation.paired import paired, relative
from sediff.evaluation.params import EvaluationParams
from sediff.evaluation.pictures import draw_pairs, draw_rhythm, draw_spectra
from sediff.evaluation.rhythm import heart_rate, rhythm
from sediff.evaluation.shown import doubts, shown
from sediff.evaluation.slices import slices
from sediff.evaluation.spectra import spectra
from sediff.evaluation.truth import against_truth
from sediff.evaluation.within import within_conditions
from sediff.files import write_json
from sediff.pseudonyms import Pseudonyms
from sediff.training import Job
from sediff.vocabulary import Vocabulary

LEFT_OUT = "left_out"
UNTOLD, NOT_FINITE = "the records do not tell it", "not a finite number"


def _sizes(evidence: Evidence) -> dict[str, Any]:
    """How many records there are, and how many held-out patients the judges know."""
    seen = evidence.seen_patients
    known = {LEFT_OUT: {"seen_patients": "the judges' patients are under another pseudonym key"}}
    judges = {"held_out_patients": evidence.held_out_patients, **(known if seen is None else {"seen_patients": seen})}
    return {"records": len(evidence.made.rows), "judges": judges}


# What a section cannot say it gives as a note under `left_out`.
SECTIONS: tuple[Callable[[Evidence], dict[str, Any]], ...] = (
    _sizes,
    heart_rate,
    rhythm,
    *map(beside_simulator, (dispersion, beats, signs, impossible, intervals, effects)),
    deviation,
    meaning,
    likeness,
    spectra,
    within_conditions,
    paired,
)


def evaluate(
    params: EvaluationParams,
    corpus: Path,
    synthetic: Path,
    of_training: Path,
    judges_folder: Path,
    generator: Folders,
    vocabulary: Vocabulary,
    pseudonyms: Pseudonyms,
    access: EmbeddingAccess,
    job: Job,
    own: OwnFits,
    truth: pl.DataFrame | None = None,
) -> str:
    """Write `records.parquet` (what was measured on each synthetic record) and the metrics and pictures.

    Args:
        synthetic: records of held-out records' conditions; of_training: of training records'.
        generator: what made the synthetic records; own: how its training records were fitted.
        truth: of the corpus's recordings, where all its patients are simulated.

    Real records are called as they are in the synthetic rows. One whose condition was asked for several times counts
    once.

    Raises:
        UserError: the synthetic records belong to another corpus, or the simulator has not run.
    """
    evidence = Evidence.load(
        params,
        corpus,
        synthetic,
        judges_folder,
        generator.autoencoder,
        generator.simulator,
        vocabulary,
        job.seed,
        pseudonyms,
    )
    asked = asked_of_training(evidence, of_training)
    copies = nearest_training(evidence, asked)
    found: dict[str, Any] = {}
    for section in SECTIONS:
        found |= section(evidence)
    found |= slices(evidence, copies)
    found["paired"] |= relative(found)
    if truth is not None:
        found |= against_truth(evidence, truth)
    found["privacy"] = {
        **privacy(evidence, copies),
        **canaries(evidence, corpus, asked),
        **membership(evidence, corpus, generator, own, access, job, truth is not None),
    }
    found, names = with_keys(found)
    metrics, notes = without_notes(found)
    notes += unsaid(metrics, notes)
    write_json(job.report / "metrics.json", _rounded({**metrics, NAMES: names, LEFT_OUT: notes}))
    made, read = evidence.made, evidence.read_made
    made.rows.select("record_id", "matched_record_id").with_columns(
        measured_heart_rate=pl.Series(read.heart_rate, dtype=pl.Float32).fill_nan(None),
        measured_dispersion=pl.Series(read.dispersion, dtype=pl.Float32).fill_nan(None),
        nearest_training_record=pl.Series(evidence.training_ids[copies["synthetic"].rows]),
        nearest_correlation=pl.Series(copies["synthetic"].correlation, dtype=pl.Float32),
    ).write_parquet(job.out / "records.parquet")
    _draw(evidence, job.report / "plots")
    return _summary(metrics)


def without_notes(found: dict[str, Any], path: str = "") -> tuple[dict[str, Any], list[str]]:
    """Metrics with None in the place of what a note says is left out, and the notes, each named by its dotted key."""
    metrics: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in found.items():
        name = f"{path}.{key}" if path else key
        if key == LEFT_OUT:
            of_keys = {"": value} if isinstance(value, str) else value
            notes += [f"{'.'.join(filter(None, (path, part)))}: {note}" for part, note in of_keys.items()]
            metrics |= {part: None for part in of_keys if part and part not in found}
        elif isinstance(value, dict):
            metrics[key], more = without_notes(value, name)
            notes += more
            if isinstance(value.get(LEFT_OUT), str) and len(value) == 1:
                metrics[key] = None
        else:
            metrics[key] = value
    return metrics, notes


def unsaid(metrics: Mapping[str, Any], notes: Iterable[str]) -> list[str]:
    """Notes of what is None or not finite and is not named, nor what it is a part of, by the notes that there are."""
    named = {note.partition(":")[0] for note in notes}
    return [f"{key}: {note}" for key, note in _silent(metrics, named)]


def _silent(metrics: Mapping[str, Any], named: Collection[str], path: str = "") -> Iterator[tuple[str, str]]:
    for part, value in metrics.items():
        key = f"{path}.{part}" if path else part
        if key in named:
            continue
        if isinstance(value, Mapping):
            yield from _silent(value, named, key)
        elif value is None:
            yield key, UNTOLD
        elif isinstance(value, float) and not np.isfinite(value):
            yield key, NOT_FINITE


def _draw(evidence: Evidence, plots: Path) -> None:
    made, real, conditions = evidence.made, evidence.sets[REAL], evidence.conditions
    statements, read = made.rows["statements"].to_list(), evidence.read_made
    asked = made.rows["heart_rate"].cast(pl.Float64).to_numpy()
    dispersions = read.dispersion, evidence.read[REAL].dispersion
    draw_rhythm(read.heart_rate, *dispersions, asked, statements, evidence.statements, plots / "rhythm.png")
    draw_spectra(made.leads, real.leads, plots / "spectra.png")
    chosen = shown(statements, doubts(evidence), evidence.vocabulary, evidence.params.pictures)
    pairs = [(i, conditions.partner[i], why) for i, why in chosen.items()]
    draw_pairs([(statements[i], real.signals[row], made.signals[i], why) for i, row, why in pairs], plots)


def _rounded(value: Any) -> Any:
    """Six significant digits; None for what is not a number."""
    if isinstance(value, dict):
        return {str(key): _rounded(v) for key, v in value.items()}
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _summary(metrics: dict[str, Any]) -> str:
    parts = [f"{metrics['records']} records"]
    if metrics["heart_rate"]["mae_bpm"] is not None:
        parts.append(f"heart rate off by {metrics['heart_rate']['mae_bpm']:.2f} bpm")
    distribution = metrics.get("distribution") or {}
    if "synthetic" in distribution:
        parts.append(
            f"FD {distribution['synthetic']['fd']['median']:.2f} (real {distribution['real']['fd']['median']:.2f})"
        )
        parts.append(f"coverage {distribution['coverage']:.2f}")
    found = metrics["agreement"]
    if found.get("auroc_synthetic") is not None:
        real = f" (real {found['auroc_real']:.3f})" if found["auroc_real"] is not None else ""
        parts.append(f"AUROC {found['auroc_synthetic']:.3f}{real}")
    return ", ".join(parts)
