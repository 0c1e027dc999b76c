"""One prompt to files: WFDB records and ECG-paper pictures, as `sediff generate` makes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.export.export import writable
from sediff.export.pictures import draw_all
from sediff.export.record import Record
from sediff.export.wfdb import write_wfdb
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.show import answer_lines, understood_lines
from sediff.knowledge.store import open_store
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import PromptRequest, SamplerParams
from sediff.synthesis.request import RequestRow, ask_prompt, prompt_row
from sediff.vocabulary import Vocabulary

NEEDED = ("corpus", "simulator", "knowledge", "encoder/conditioner", "autoencoder", "diffusion")


def require_models(data: Path) -> None:
    """Refuse to go on without the artifacts that generation needs.

    Raises:
        UserError: names the first that is missing.
    """
    missing = next((name for name in NEEDED if not (data / name / "manifest.json").exists()), None)
    if missing:
        raise UserError(f"{data / missing} is missing: run `make run` once, or `dvc pull`, to have the models.")


def generate(
    prompt: PromptRequest,
    seed: int,
    sampler: SamplerParams,
    vocabulary: Vocabulary,
    index: KnowledgeIndex | None,
    data: Path,
    out: Path,
    device: torch.device,
    explain: bool,
    access: EmbeddingAccess,
    pseudonyms: Pseudonyms,
    workers: int,
) -> list[str]:
    """Write `prompt.records` WFDB records and PNGs into `out` and return lines for the user.

    Pictures are drawn by so many processes, records made by this one, so that their bytes depend on nothing else.
    """
    answer = ask_prompt(prompt, vocabulary, data / "knowledge", index, pseudonyms)
    rows = [prompt_row(prompt, answer)] * prompt.records
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
    stale = sorted(out.glob("ecg[0-9]*.*"))
    if stale:
        raise UserError(f"{out} holds {stale[0].name} already: give another --out, or move what is there.")
    generator = EcgGenerator.load(data, vocabulary, device, access)
    slots = [Slot(seed, position) for position in range(prompt.records)]
    given = {"age": prompt.age, "sex": prompt.sex, "heart rate": prompt.heart_rate}
    lines = understood_lines(answer, vocabulary, given)
    if explain:
        lines += answer_lines(answer, open_store(data / "knowledge"), vocabulary)
    signals = generator.make(rows, slots, sampler)
    records = [record_of(rows[0], slot, signal, generator.model) for slot, signal in zip(slots, signals, strict=True)]
    paths = [out / f"ecg{slot.index:03d}" for slot in slots]
    with writable(out):
        for record, path in zip(records, paths, strict=True):
            write_wfdb(record.signal, out, path.name, record.comments())
        draw_all(records, [path.with_suffix(".png") for path in paths], workers)
    return [*lines, *(f"{path}.hea, .dat and .png" for path in paths)]


def record_of(row: RequestRow, slot: Slot, signal: NDArray[np.int16], model: str) -> Record:
    """A record that was made, as exports know it."""
    condition, experience = row.condition, row.condition.experience
    record = Record(
        signal,
        slot.index,
        slot.seed,
        condition.text,
        model,
        slot.attempt,
        condition.age,
        condition.sex,
        condition.heart_rate,
        condition.axis,
        *row.intervals,
    )
    if experience is None:
        return record
    return replace(
        record,
        experience_id=experience.experience_id,
        experience=experience.report.text,
        distiller=experience.distiller,
        neighbours=tuple(experience.neighbours),
        similarities=tuple(experience.similarities),
        confidence=experience.report.confidence,
        exact_similarity=row.exact_similarity,
        meaning_similarity=row.meaning_similarity,
    )
