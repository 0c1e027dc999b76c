"""What the denoiser learns from."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid, beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.course import course_channels, record_beats
from sediff.diffusion.params import DiffusionParams, PhysicsParams
from sediff.diffusion.physics import Waves
from sediff.diffusion.physics_forms import simulated
from sediff.diffusion.simulated import Simulated, beats_course, own_fits, simulated_records
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, Conditions, corpus_conditions, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, reopen_embedding
from sediff.layers import read_tensors
from sediff.records import read_columns
from sediff.simulator.morphology import Morphology
from sediff.vocabulary import Vocabulary

Part = Literal["text", "experience"]


@dataclass(frozen=True)
class TrainingData:
    """What the denoiser learns from, a row for each record.

    Attributes:
        latents: standardised, (n, 10, 125).
        courses: θ, and what the beats are, at 100 Hz, (n, 3, 1000); see `course.course_channels`.
        conditions: encoded conditions.
        grid, waves: where the beats lie and the morphology that the physics terms take.
        applies: 1 where they are taken of the record, else 0, (n,).
        simulated: each record's own η and the simulator's record of it; None where the denoiser does not see it.
    """

    latents: Tensor
    courses: Tensor
    conditions: Conditions
    grid: BeatGrid
    waves: Waves
    applies: Tensor
    simulated: Simulated | None = None

    def rows(self, index: Tensor) -> "TrainingData":
        """The data of some records."""
        latents, courses, applies = self.latents[index], self.courses[index], self.applies[index]
        parts = (self.conditions.rows(index), self.grid.rows(index), self.waves.rows(index))
        return TrainingData(latents, courses, *parts, applies, self.simulated and self.simulated.rows(index))

    def to(self, device: torch.device) -> "TrainingData":
        """The same on another device."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})


def load_training_data(
    params: DiffusionParams,
    corpus: Path,
    simulator: Path,
    knowledge: Path,
    autoencoder: Path,
    conditioner: Conditioner,
    vocabulary: Vocabulary,
    access: EmbeddingAccess,
    withheld: Collection[Part] = (),
) -> TrainingData:
    """Gather latents, phases, conditions and morphology of the training records, in corpus order.

    Args:
        withheld: parts of the conditions that are left out.
    """
    records = read_columns(corpus / "records").filter(pl.col("split") == "train")
    latents = read_tensors(autoencoder / "latents.safetensors")["latents"]
    known = (simulator, knowledge, conditioner, vocabulary, access, withheld)
    data = denoiser_data(params.physics, records, latents, *known)
    if not params.denoiser.morphology:
        return data
    network = Autoencoder.load(autoencoder).to(next(conditioner.parameters()).device)
    return with_own(data, records, own_fits(simulator), simulator, network, params.morphology.worst_error)


def with_own(
    data: TrainingData,
    records: pl.DataFrame,
    own: pl.DataFrame,
    simulator: Path,
    autoencoder: Autoencoder,
    worst: float,
) -> TrainingData:
    """The same with each record's own η, whose fits are given, and the simulator's record of it."""
    courses, exponents = [beats_course(*beats) for beats in _beats(records)], Morphology.load(simulator).common
    return replace(data, simulated=simulated_records(records, courses, own, exponents, autoencoder, worst))


def denoiser_data(
    physics: PhysicsParams,
    records: pl.DataFrame,
    latents: Tensor,
    simulator: Path,
    knowledge: Path,
    conditioner: Conditioner,
    vocabulary: Vocabulary,
    access: EmbeddingAccess,
    withheld: Collection[Part] = (),
) -> TrainingData:
    """The same of any records of the corpus, whose latents (n, 10, 125) are given, without η of their own."""
    waves, applies = simulated(physics, records, simulator)
    conditions = [without(condition, withheld) for condition in corpus_conditions(records, knowledge)]
    embedding = reopen_embedding(conditioner.config["embedding"], access)
    return TrainingData(
        latents=latents,
        courses=torch.from_numpy(np.stack([course_channels(*beats) for beats in _beats(records)])),
        conditions=encode_conditions(conditions, vocabulary, conditioner.buckets, embedding),
        grid=beat_grid(_peaks(records)),
        waves=waves,
        applies=applies,
    )


def _peaks(records: pl.DataFrame) -> list[NDArray[np.float64]]:
    return [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]


def _beats(records: pl.DataFrame) -> list[tuple[NDArray[np.float64], list[str], list[bool]]]:
    """Of each record what `record_beats` gives."""
    told = (records[name].to_list() for name in ("beat_kinds", "p_onsets"))
    return list(map(record_beats, _peaks(records), *told))


def without(condition: Condition, withheld: Collection[Part]) -> Condition:
    """A condition without its text, and so without statements, or without its experience."""
    condition = replace(condition, text="") if "text" in withheld else condition
    return replace(condition, experience=None) if "experience" in withheld else condition
