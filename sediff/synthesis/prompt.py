"""One prompt to files: WFDB records and ECG-paper pictures, as `sediff generate` makes them."""

from pathlib import Path
from typing import Literal

import torch

from sediff.errors import UserError
from sediff.export import write_wfdb
from sediff.knowledge.index import KnowledgeIndex
from sediff.paper import draw_ecg
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import PromptRequest, SamplerParams
from sediff.synthesis.request import prompt_request
from sediff.vocabulary import Vocabulary

NEEDED = (
    "encoder/conditioner.json",
    "autoencoder/autoencoder.json",
    "diffusion/denoiser.json",
    "knowledge/profiles.parquet",
)


def generate(
    text: str,
    age: float | None,
    sex: Literal["male", "female"] | None,
    heart_rate: float | None,
    count: int,
    seed: int,
    sampler: SamplerParams,
    vocabulary: Vocabulary,
    index: KnowledgeIndex | None,
    data: Path,
    out: Path,
    device: torch.device,
) -> list[str]:
    """Write `count` WFDB records and PNGs of one prompt into `out` and return lines for the user.

    Raises:
        UserError: the models are not there, or the prompt is out of range.
    """
    missing = [name for name in NEEDED if not (data / name).exists()]
    if missing:
        raise UserError(f"{data / missing[0]} is missing: run `make run` once, or `dvc pull`, to have the models.")
    prompt = PromptRequest(text=text, age=age, sex=sex, heart_rate=heart_rate, records=count)
    rows = prompt_request([prompt], vocabulary, data / "knowledge", index)
    generator = EcgGenerator.load(data, vocabulary, device)
    signals = generator.make(rows, [Slot(seed, position) for position in range(count)], sampler)
    lines = []
    for position, signal in enumerate(signals):
        name = f"ecg{position:03d}"
        write_wfdb(signal, out, name, _comments(rows[0], seed, position, generator.model))
        title = f"SYNTHETIC · {text}"
        draw_ecg(signal, title, out / f"{name}.png")
        lines.append(f"{out / name}.hea, .dat and .png")
    return lines


def _comments(row, seed: int, index: int, model: str) -> list[str]:
    condition = row.condition
    asked = {"text": condition.text, "age": condition.age, "sex": condition.sex, "heart rate": condition.heart_rate}
    comments = ["SYNTHETIC ECG made by sediff; it belongs to no patient"]
    comments += [f"{name}: {value}" for name, value in asked.items() if value is not None]
    experience = condition.experience
    if experience:
        comments.append(f"experience: {experience.experience_id}")
    return [*comments, f"seed: {seed}", f"index: {index}", f"model: {model}"]
