"""What the denoiser learns from."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid, beat_grid
from sediff.diffusion.course import record_course
from sediff.diffusion.params import PhysicsParams
from sediff.diffusion.physics import Waves
from sediff.diffusion.physics_forms import simulated
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, Conditions, corpus_conditions, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, reopen_embedding
from sediff.layers import read_tensors
from sediff.records import read_columns
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
    """

    latents: Tensor
    courses: Tensor
    conditions: Conditions
    grid: BeatGrid
    waves: Waves
    applies: Tensor

    def rows(self, index: Tensor) -> "TrainingData":
        """The data of some records."""
        latents, courses, applies = self.latents[index], self.courses[index], self.applies[index]
        parts = (self.conditions.rows(index), self.grid.rows(index), self.waves.rows(index))
        return TrainingData(latents, courses, *parts, applies)

    def to(self, device: torch.device) -> "TrainingData":
        """The same on another device."""
        return TrainingData(*(getattr(self, part.name).to(device) for part in fields(self)))


def load_training_data(
    physics: PhysicsParams,
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
    return denoiser_data(physics, records, latents, simulator, knowledge, conditioner, vocabulary, access, withheld)


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
    """The same of any records of the corpus, whose latents (n, 10, 125) are given."""
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    told = (records[name].to_list() for name in ("beat_kinds", "p_onsets"))
    waves, applies = simulated(physics, records, simulator)
    conditions = [without(condition, withheld) for condition in corpus_conditions(records, knowledge)]
    embedding = reopen_embedding(conditioner.config["embedding"], access)
    return TrainingData(
        latents=latents,
        courses=torch.from_numpy(np.stack(list(map(record_course, peaks, *told)))),
        conditions=encode_conditions(conditions, vocabulary, conditioner.buckets, embedding),
        grid=beat_grid(peaks),
        waves=waves,
        applies=applies,
    )


def without(condition: Condition, withheld: Collection[Part]) -> Condition:
    """A condition without its text, and so without statements, or without its experience."""
    condition = replace(condition, text="") if "text" in withheld else condition
    return replace(condition, experience=None) if "experience" in withheld else condition
