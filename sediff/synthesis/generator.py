"""From conditions to signals: rhythm, latent, ECG. A record depends on (seed, index, try) and its condition alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.autoencoder.model import LATENT_CHANNELS, LATENT_STEPS, Autoencoder
from sediff.diffusion.course import course_channels
from sediff.diffusion.model import Denoiser, rhythm_channels
from sediff.diffusion.sampler import SAMPLERS, guided
from sediff.ecg import SAMPLES, SAMPLING_RATE, to_microvolts, twelve_leads
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Conditions, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, TextEmbedding, reopen_embedding
from sediff.files import sha256_file, sha256_json
from sediff.seeds import generator, seed_of
from sediff.simulator.course import sample_course
from sediff.simulator.morphology import Morphology
from sediff.simulator.rhythm import VENTRICULAR, RhythmModel, rhythm_of
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.request import RequestRow, expected_heart_rate
from sediff.vocabulary import Vocabulary

USUAL_HEART_RATE = 70.0  # bpm, where neither the request nor similar patients say
WEIGHTS = (("encoder/conditioner", "conditioner"), ("autoencoder", "autoencoder"), ("diffusion", "denoiser"))


@dataclass(frozen=True)
class Slot:
    """The place of a record in a dataset: its noise is a function of these and nothing else."""

    seed: int
    index: int
    attempt: int = 0


class EcgGenerator:
    """The trained models, ready to make records on one device."""

    def __init__(
        self,
        conditioner: Conditioner,
        autoencoder: Autoencoder,
        denoiser: Denoiser,
        morphology: Morphology,
        rhythms: RhythmModel,
        vocabulary: Vocabulary,
        model: str,
        device: torch.device,
        embedding: TextEmbedding | None = None,
    ) -> None:
        self.conditioner, self.autoencoder = conditioner.to(device), autoencoder.to(device)
        self.denoiser, self.morphology, self.rhythms = denoiser.to(device), morphology, rhythms
        self.vocabulary, self.model, self.device, self.embedding = vocabulary, model, device, embedding

    @classmethod
    def load(cls, data: Path, vocabulary: Vocabulary, device: torch.device, access: EmbeddingAccess) -> Self:
        """Load the models below `data/` (encoder, autoencoder, diffusion, simulator)."""
        conditioner = Conditioner.load(data / "encoder/conditioner")
        return cls(
            conditioner,
            Autoencoder.load(data / "autoencoder"),
            Denoiser.load(data / "diffusion"),
            Morphology.load(data / "simulator"),
            RhythmModel.load(data / "simulator"),
            vocabulary,
            sha256_json([sha256_file(data / stage / f"{name}.safetensors") for stage, name in WEIGHTS]),
            device,
            reopen_embedding(conditioner.config["embedding"], access),
        )

    def make(self, rows: Sequence[RequestRow], slots: Sequence[Slot], sampler: SamplerParams) -> NDArray[np.int16]:
        """Make one record for each row: int16 microvolts, (n, 12, 1000)."""
        asked = [row.condition for row in rows]
        conditions = encode_conditions(asked, self.vocabulary, self.conditioner.buckets, self.embedding)
        courses = torch.from_numpy(np.stack([self._course(row, slot) for row, slot in zip(rows, slots, strict=True)]))
        noise = _noise(slots)
        parts = []
        for start in range(0, len(rows), sampler.batch_size):
            index = _padded(start, len(rows), sampler.batch_size)
            batch = [slots[row] for row in index.tolist()]
            eight = self._sample(conditions.rows(index), courses[index], noise[index], batch, sampler)
            parts.append(eight[: len(rows) - start])
        return twelve_leads(to_microvolts(torch.cat(parts).numpy()))

    def _course(self, row: RequestRow, slot: Slot) -> NDArray[np.float32]:
        """When a record of the condition beats, as the denoiser is told: (3, 1000)."""
        rng = np.random.default_rng(seed_of("rhythm", slot.seed, slot.index, slot.attempt))
        rate = expected_heart_rate(row.condition) or USUAL_HEART_RATE
        beats = self.rhythms.draw(rhythm_of(row.statements), rate, rng)
        course = sample_course(beats, rate, rng, SAMPLES / SAMPLING_RATE)
        with_p = (course.kinds != VENTRICULAR) & (rng.random(len(course.kinds)) < beats.p_share)
        return course_channels(course.r_peaks, course.kinds.tolist(), with_p)

    @torch.no_grad()
    def _sample(
        self, conditions: Conditions, courses: Tensor, noise: Tensor, slots: Sequence[Slot], sampler: SamplerParams
    ) -> Tensor:
        """One batch of exactly `sampler.batch_size` rows: eight leads in mV, (batch, 8, 1000)."""
        tokens, mask = self.conditioner(conditions.to(self.device))
        rhythm = rhythm_channels(courses).to(self.device)
        kept = torch.zeros(len(courses), dtype=torch.bool, device=self.device)

        def predict(z_t: Tensor, lam: Tensor) -> Tensor:
            conditional = self.denoiser(z_t, lam, rhythm, tokens, mask).float()
            if sampler.guidance == 1:
                return conditional
            unconditional = self.denoiser(z_t, lam, rhythm, tokens, mask, ~kept).float()
            return guided(conditional, unconditional, sampler.guidance, sampler.rescale)

        def fresh(step: int) -> Tensor:
            return _noise(slots, step).to(self.device)

        with torch.autocast(self.device.type, torch.bfloat16, enabled=sampler.precision == "bfloat16"):
            latent = SAMPLERS[sampler.method](predict, noise.to(self.device), sampler.steps, fresh)
        return self.autoencoder.decode(latent).float().cpu()


def _noise(slots: Sequence[Slot], *step: int) -> Tensor:
    """Standard normal (slots, 10, 125), a function of (seed, index, try), and of the step that adds it."""
    generators = [generator("noise", slot.seed, slot.index, slot.attempt, *step) for slot in slots]
    return torch.stack([torch.randn(LATENT_CHANNELS, LATENT_STEPS, generator=rng) for rng in generators])


def _padded(start: int, rows: int, batch_size: int) -> Tensor:
    """Indices of a batch; the last batch repeats its last row until it is full."""
    return torch.arange(start, start + batch_size).clamp(max=rows - 1)
