"""The knowledge stage: profiles, retrieval, distillation; its out is what synthesis asks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.errors import UserError
from sediff.files import sha256_file, write_json
from sediff.knowledge import answers
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.distill import Distilled, confidences, distil_offline
from sediff.knowledge.ehr import FOLDER
from sediff.knowledge.experience import FILE, write_experiences
from sediff.knowledge.llm import Answered, LlmAccess, LlmDistiller
from sediff.knowledge.measures import SCALARS, SLICES, Statistics
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.pictures import draw_knowledge
from sediff.knowledge.profiles import (
    PROFILES,
    SCHEMA_VERSION,
    TERMS,
    build_profiles,
    build_terms,
    read_fits,
    training_profiles,
    ungrouped,
)
from sediff.knowledge.prompt import concerned, prompts
from sediff.knowledge.retrieval import Neighbours, Retriever
from sediff.knowledge.statistics import deviation, measurements, overall, sufficient, summarise
from sediff.knowledge.table import experience_table
from sediff.knowledge.weights import neighbour_weights
from sediff.records import read_columns, write_table
from sediff.sources import Source, read_inventory
from sediff.vocabulary import Vocabulary

SHOWN = 10  # neighbours, the most similar, that an LLM is shown; the statistics rest on all


def build_knowledge(
    params: KnowledgeParams,
    corpus: Path,
    simulator: Path,
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    out: Path,
    report: Path,
    store: AnswerStore,
    llm: LlmAccess | None,
) -> str:
    """Write `profiles.parquet`, `terms.parquet` and `experience.parquet` into `out`, metrics and a plot into `report`.

    An experience rests on training records of other patients only. `simulator` is the stage's out, with the morphology
    of those that could be fitted. `store` keeps what an LLM said, and `answers.parquet` what of it was used; the
    offline distiller uses neither them nor `llm`.

    Raises:
        UserError: no training record; the simulator's fits are missing; an EHR table is missing or changed; the LLM's
            endpoint is not configured, may not see a restricted source, or does not answer.
    """
    if params.distiller == "llm":
        _check_endpoint(llm, sources)
    _check_unchanged(sources)
    records = read_columns(corpus / "records")
    profiles = build_profiles(records, sources, vocabulary, read_fits(simulator))
    training = training_profiles(profiles)
    weights, named = params.weights.model_dump(), profiles["statements"].to_list()
    retriever = Retriever(training)
    neighbours = retriever.nearest(profiles, weights, params.neighbours, "knowledge: retrieval").near(params.closeness)
    counted = neighbour_weights(neighbours, profiles, training)
    # What is measured is read twice rather than kept: of a large corpus it is hundreds of megabytes.
    statistics = summarise(neighbours, counted, named, training, measurements(training), vocabulary.codes)
    sure = confidences(neighbours, counted, statistics, profiles, weights)
    expected = sufficient(statistics, neighbours, counted, measurements(training))
    distilled = distil_offline(expected, sure, named, vocabulary)
    told, spent = {}, ""
    if params.distiller == "llm" and llm is not None:
        asking = LlmDistiller(llm, params, store)
        nearest = Neighbours(neighbours.rows[:, :SHOWN], neighbours.similarities[:, :SHOWN])
        asked = prompts(profiles, nearest, expected, training, vocabulary)
        answered = asking.distil(asked, concerned(profiles, nearest, training))
        distilled = [_distilled(*pair) for pair in zip(answered, distilled, strict=True)]
        store.export(asking.used, out / answers.FILE)
        told, spent = asking.metrics(), f"; {llm.meter.told()}"
    ids = records["record_id"].to_list()
    names = [f"experience:{record_id}" for record_id in ids]
    experiences = experience_table(names, ids, distilled, neighbours, statistics, training)
    write_table(profiles.to_arrow(), out / PROFILES, SCHEMA_VERSION)
    write_table(build_terms(profiles, sources, vocabulary).to_arrow(), out / TERMS, SCHEMA_VERSION)
    write_experiences(experiences, out / FILE)
    metrics = {**_metrics(profiles, training, neighbours, statistics, distilled, vocabulary), **told}
    write_json(report / "metrics.json", metrics)
    rates = statistics["heart_rate"].median[:, 0].astype(np.float64)
    measured = profiles["heart_rate"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    draw_knowledge(neighbours.similarities[:, 0], rates, measured, report / "plots" / "knowledge.png")
    by = [f"{count} {name}" for name, count in metrics["distillers"].items()]
    by += [f"{count} fell back for {reason}" for reason, count in metrics["fallbacks"].items()]
    return (
        f"{len(profiles)} experiences ({', '.join(by)}) from {len(training)} training records; "
        f"{metrics['linked']} with an EHR{spent}"
    )


def _distilled(answered: Answered, offline: Distilled) -> Distilled:
    """What the LLM said, or the offline report and why it stands there."""
    if answered.report is None:
        return offline._replace(fallback_reason=answered.fallback_reason)
    return Distilled(answered.report, answered.distiller, None)


def _check_endpoint(llm: LlmAccess | None, sources: Sequence[Source]) -> None:
    if llm is None:
        raise UserError("knowledge.distiller is llm, but runtime.llm_base_url is empty: set it, or choose offline.")
    llm.endpoint.refuse_restricted([source.name for source in sources if source.sharing == "restricted"])


def _check_unchanged(sources: Sequence[Source]) -> None:
    """Refuse EHR tables that are not those of the inventory, on which the pipeline depends."""
    for source in sources:
        files = sorted((source.root / FOLDER).glob("*.csv*")) if (source.root / FOLDER).is_dir() else []
        hashes = dict(read_inventory(source)) if files else {}
        for path in files:
            if hashes.get(str(path.relative_to(source.root))) != sha256_file(path):
                raise UserError(f"{path} is not the file in the inventory of source {source.name}: scan it again.")


def _metrics(
    profiles: pl.DataFrame,
    training: pl.DataFrame,
    neighbours: Neighbours,
    statistics: Statistics,
    distilled: Sequence[Distilled],
    vocabulary: Vocabulary,
) -> dict[str, Any]:
    there = neighbours.rows >= 0
    metrics = {
        "profiles": len(profiles),
        "training_profiles": len(training),
        "linked": int((profiles["admission"] != "").sum()),
        "ungrouped_codes": ungrouped(profiles),
        "distillers": dict(sorted(Counter(d.distiller for d in distilled).items())),
        "fallbacks": dict(sorted(Counter(d.fallback_reason for d in distilled if d.fallback_reason).items())),
        "without_neighbours": int((~there.any(1)).sum()),
        "mean_similarity": _rounded(neighbours.similarities[there]),
        **_recall(profiles, training, neighbours, vocabulary),
        "mean_confidence": _rounded(np.array([d.report.confidence for d in distilled])),
        "neighbours_with_a_fit": _rounded(statistics["theta"].known[:, 0] / np.maximum(statistics.counts, 1)),
        **_errors(profiles, training, statistics),
    }
    return {name: value for name, value in metrics.items() if value is not None}


def _rounded(values: NDArray) -> float | None:
    """Mean to 6 significant digits; None where there is no value."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(f"{known.mean():.6g}") if len(known) else None


def _recall(
    profiles: pl.DataFrame, training: pl.DataFrame, neighbours: Neighbours, vocabulary: Vocabulary
) -> dict[str, float | None]:
    """How many neighbours share a held-out record's first diagnostic statement, beside the share by chance.

    The statement is part of the profile, so this says that retrieval works, not that it foretells.
    """
    own = [set(codes) for codes in training["statements"].to_list()]
    prevalence = {code: float(np.mean([code in codes for codes in own])) for code in vocabulary.codes}
    held_out = [row for row, split in enumerate(profiles["split"]) if split != "train"]
    shared, random = [], []
    statements = profiles["statements"].to_list()
    for row in held_out:
        diagnostic = vocabulary.views(statements[row])["diagnostic"]
        found = neighbours.rows[row][neighbours.rows[row] >= 0]
        if diagnostic and len(found):
            shared.append(np.mean([diagnostic[0] in own[k] for k in found]))
            random.append(prevalence[diagnostic[0]])
    return {
        "neighbours_sharing_diagnosis": _rounded(np.array(shared)),
        "random_sharing_diagnosis": _rounded(np.array(random)),
    }


def _errors(profiles: pl.DataFrame, training: pl.DataFrame, statistics: Statistics) -> dict[str, float | None]:
    """Mean absolute errors in held-out records, bpm, ms and degrees: of experience, and of the median of all training.

    A profile names its record's statements, so this does not say what experience adds: `benchmarks/experience.py` does.
    """
    held_out = (profiles["split"] != "train").to_numpy()
    measured = measurements(profiles.filter(held_out))
    usual = overall(measurements(training))
    errors = {}
    for name in SCALARS:
        own = measured[:, SLICES[name]]
        errors[f"{name}_error"] = _rounded(deviation(name, statistics[name].median[held_out], own))
        errors[f"{name}_error_of_median"] = _rounded(deviation(name, usual[SLICES[name]], own))
    return errors
