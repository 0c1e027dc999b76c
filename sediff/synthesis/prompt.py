"""One prompt to files: WFDB records and ECG-paper pictures, as `sediff generate` makes them."""

from pathlib import Path

import torch

from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.export import write_wfdb
from sediff.knowledge.experience import Experience
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.show import answer_lines, understood_lines
from sediff.knowledge.store import open_store
from sediff.paper import draw_ecg
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
) -> list[str]:
    """Write `prompt.records` WFDB records and PNGs into `out` and return lines for the user."""
    answer = ask_prompt(prompt, vocabulary, data / "knowledge", index, pseudonyms)
    rows = [prompt_row(prompt, answer)] * prompt.records
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be made a folder ({error.strerror}): give another --out.") from None
    stale = sorted(out.glob("ecg[0-9]*.*"))
    if stale:
        raise UserError(f"{out} holds {stale[0].name} already: give another --out, or move what is there.")
    generator = EcgGenerator.load(data, vocabulary, device, access)
    slots = [Slot(seed, position) for position in range(prompt.records)]
    given = {"age": prompt.age, "sex": prompt.sex, "heart rate": prompt.heart_rate}
    lines = understood_lines(answer, vocabulary, given)
    if explain:
        rest = "`sediff knowledge ask --json` has all"
        lines += answer_lines(answer, open_store(data / "knowledge").fingerprint, rest)
    for slot, signal in zip(slots, generator.make(rows, slots, sampler), strict=True):
        name = f"ecg{slot.index:03d}"
        write_wfdb(signal, out, name, _comments(rows[0], slot, generator.model))
        draw_ecg(signal, f"SYNTHETIC · {_asked(rows[0])}", out / f"{name}.png")
        lines.append(f"{out / name}.hea, .dat and .png")
    return lines


def _asked(row: RequestRow) -> str:
    condition = row.condition
    parts = (
        condition.text,
        f"{condition.age:g} years" if condition.age is not None else "",
        condition.sex or "",
        f"{condition.heart_rate:g} bpm" if condition.heart_rate is not None else "",
        f"axis {condition.axis:g}°" if condition.axis is not None else "",
    )
    return ", ".join(part for part in parts if part)


def _comments(row: RequestRow, slot: Slot, model: str) -> list[str]:
    return [
        "SYNTHETIC ECG made by sediff; it belongs to no patient",
        f"asked: {_asked(row)}",
        *_rests_on(row.condition.experience),
        f"seed: {slot.seed}",
        f"index: {slot.index}",
        f"model: {model}",
    ]


def _rests_on(experience: Experience | None) -> list[str]:
    if experience is None:
        return ["experience: none"]
    pairs = zip(experience.neighbours, experience.similarities, strict=True)
    told = [f"{record} {similarity:.2f}" for record, similarity in pairs]
    return [
        f"experience: {experience.experience_id}, {experience.distiller}: {experience.report.text}",
        f"from: {', '.join(told)}",
    ]
