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
from sediff.diffusion.params import PhysicsParams
from sediff.diffusion.physics import Waves
from sediff.diffusion.physics_forms import simulated
from sediff.ecg import SAMPLES, SAMPLING_RATE
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, Conditions, corpus_conditions, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, reopen_embedding
from sediff.layers import read_tensors
from sediff.records import read_columns
from sediff.simulator.rhythm import phase
from sediff.vocabulary import Vocabulary

Part = Literal["text", "experience"]


@dataclass(frozen=True)
class TrainingData:
    """What the denoiser learns from, a row for each training record.

    Attributes:
        latents: standardised, (n, 10, 125).
        phases: θ at 100 Hz, (n, 1000).
        conditions: encoded conditions.
        grid, waves: where the beats lie and the morphology that the physics terms take.
        applies: 1 where they are taken of the record, else 0, (n,).
    """

    latents: Tensor
    phases: Tensor
    conditions: Conditions
    grid: BeatGrid
    waves: Waves
    applies: Tensor

    def rows(self, index: Tensor) -> "TrainingData":
        """The data of some records."""
        latents, phases, applies = self.latents[index], self.phases[index], self.applies[index]
        parts = (self.conditions.rows(index), self.grid.rows(index), self.waves.rows(index))
        return TrainingData(latents, phases, *parts, applies)

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
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    waves, applies = simulated(physics, records, simulator)
    conditions = [without(condition, withheld) for condition in corpus_conditions(records, knowledge)]
    embedding = reopen_embedding(conditioner.config["embedding"], access)
    return TrainingData(
        latents=latents,
        phases=torch.from_numpy(np.stack([record_phase(row) for row in peaks])),
        conditions=encode_conditions(conditions, vocabulary, conditioner.buckets, embedding),
        grid=beat_grid(peaks),
        waves=waves,
        applies=applies,
    )


def without(condition: Condition, withheld: Collection[Part]) -> Condition:
    """A condition without its text, and so without statements, or without its experience."""
    condition = replace(condition, text="") if "text" in withheld else condition
    return replace(condition, experience=None) if "experience" in withheld else condition


def record_phase(peaks: NDArray[np.float64]) -> NDArray[np.float32]:
    """θ of a record at 100 Hz, (1000,), from its R peaks in seconds; the mean RR goes on beyond the outer ones."""
    rr = float(np.mean(np.diff(peaks)))
    duration = SAMPLES / SAMPLING_RATE
    before = peaks[0] - rr * np.arange(int(peaks[0] / rr) + 1, 0, -1)
    after = peaks[-1] + rr * np.arange(1, int((duration - peaks[-1]) / rr) + 2)
    return phase(np.concatenate([before, peaks, after]), np.arange(SAMPLES) / SAMPLING_RATE).astype(np.float32)
