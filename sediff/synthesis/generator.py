"""From conditions to signals: rhythm, latent, ECG. A record depends on (seed, index, try) and its condition alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.autocast import autocast
from sediff.autoencoder.model import LATENT_CHANNELS, LATENT_STEPS, Autoencoder
from sediff.diffusion.course import course_channels
from sediff.diffusion.intervals import edit_bumps
from sediff.diffusion.model import Denoiser, rhythm_channels
from sediff.diffusion.morphology import SIZE, MorphologyModel
from sediff.diffusion.sampler import SAMPLERS, guided, pulled
from sediff.diffusion.simulated import beats_course, given, simulated_ecg
from sediff.ecg import SAMPLES, SAMPLING_RATE, to_microvolts, twelve_leads
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Conditions, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, TextEmbedding, reopen_embedding
from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.seeds import seed_of
from sediff.simulator.course import sample_course
from sediff.simulator.morphology import Morphology
from sediff.simulator.rhythm import VENTRICULAR, RhythmModel, rhythm_of
from sediff.synthesis.noise import normal
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.request import RequestRow, expected_heart_rate
from sediff.training.compiling import compiled
from sediff.vocabulary import Vocabulary

USUAL_HEART_RATE = 70.0  # bpm, where neither the request nor similar patients say
WEIGHTS = (("encoder/conditioner", "conditioner"), ("autoencoder", "autoencoder"), ("diffusion", "denoiser"))
OF_TWO_STAGES = ("diffusion", "morphology")


@dataclass(frozen=True)
class Slot:
    """The place of a record in a dataset: its noise is a function of these and nothing else."""

    seed: int
    index: int
    attempt: int = 0


class Told(NamedTuple):
    """R peaks in s that cover the window, of each beat its kind, and whether it has a P wave."""

    r_peaks: NDArray[np.float64]
    kinds: list[str]
    with_p: NDArray[np.bool_]


class Batch(NamedTuple):
    """What one call of the networks makes."""

    rows: list[RequestRow]
    slots: list[Slot]
    beats: list[Told]


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
        morphologies: MorphologyModel | None = None,
    ) -> None:
        self.conditioner, self.autoencoder = conditioner.to(device), autoencoder.to(device)
        self.denoiser, self.morphology, self.rhythms = denoiser.to(device), morphology, rhythms
        self.vocabulary, self.model, self.device, self.embedding = vocabulary, model, device, embedding
        self.morphologies = morphologies.to(device) if morphologies else None

    @classmethod
    def load(cls, data: Path, vocabulary: Vocabulary, device: torch.device, access: EmbeddingAccess) -> Self:
        """Load the models below `data/` (encoder, autoencoder, diffusion, simulator)."""
        conditioner, denoiser = Conditioner.load(data / "encoder/conditioner"), Denoiser.load(data / "diffusion")
        weights = (*WEIGHTS, OF_TWO_STAGES) if denoiser.params.morphology else WEIGHTS
        return cls(
            conditioner,
            Autoencoder.load(data / "autoencoder"),
            denoiser,
            Morphology.load(data / "simulator"),
            RhythmModel.load(data / "simulator"),
            vocabulary,
            sha256_json([sha256_file(data / stage / f"{name}.safetensors") for stage, name in weights]),
            device,
            reopen_embedding(conditioner.config["embedding"], access),
            MorphologyModel.load(data / "diffusion") if denoiser.params.morphology else None,
        )

    def make(self, rows: Sequence[RequestRow], slots: Sequence[Slot], sampler: SamplerParams) -> NDArray[np.int16]:
        """Make one record for each row: int16 microvolts, (n, 12, 1000).

        Raises:
            UserError: intervals are asked for, and the models have no morphology; the sampler is to be compiled, and
                there is no C++ compiler.
        """
        if self.morphologies is None and any(row.intervals.asked for row in rows):
            raise UserError(
                "PR, QRS and QT can be asked of models with a morphology alone: set diffusion.denoiser.morphology to "
                "true and run again."
            )
        asked = [row.condition for row in rows]
        conditions = encode_conditions(asked, self.vocabulary, self.conditioner.buckets, self.embedding)
        beats = [self._beats(row, slot) for row, slot in zip(rows, slots, strict=True)]
        noise = _noise(slots)
        parts = []
        for start in range(0, len(rows), sampler.batch_size):
            index = _padded(start, len(rows), sampler.batch_size)
            batch = Batch(*([part[row] for row in index.tolist()] for part in (rows, slots, beats)))
            eight = self._sample(conditions.rows(index), noise[index], batch, sampler)
            parts.append(eight[: len(rows) - start])
        return twelve_leads(to_microvolts(torch.cat(parts).numpy()))

    def _beats(self, row: RequestRow, slot: Slot) -> Told:
        """When a record of the condition beats, as the denoiser is told."""
        rng = np.random.default_rng(seed_of("rhythm", slot.seed, slot.index, slot.attempt))
        rate = _rate(row)
        beats = self.rhythms.draw(rhythm_of(row.statements), rate, rng)
        course = sample_course(beats, rate, rng, SAMPLES / SAMPLING_RATE)
        with_p = (course.kinds != VENTRICULAR) & (rng.random(len(course.kinds)) < beats.p_share)
        return Told(course.r_peaks, course.kinds.tolist(), with_p)

    @torch.no_grad()
    def _sample(self, conditions: Conditions, noise: Tensor, batch: Batch, sampler: SamplerParams) -> Tensor:
        """One batch of exactly `sampler.batch_size` rows: eight leads in mV, (batch, 8, 1000)."""
        tokens, mask = self.conditioner(conditions.to(self.device))
        courses = torch.from_numpy(np.stack([course_channels(*beats) for beats in batch.beats]))
        rhythm = rhythm_channels(courses).to(self.device)
        simulated, wanted = None, torch.zeros(())
        if self.morphologies is not None:
            wanted = self._simulated(self.morphologies, tokens, mask, batch).to(self.device)
            simulated = given(self.autoencoder, wanted)
        denoiser = self._compiled if sampler.compiled else self.denoiser
        strength = torch.tensor([sampler.pull * row.intervals.asked for row in batch.rows], device=self.device)

        def predict(z_t: Tensor, lam: Tensor) -> Tensor:
            conditional = denoiser(z_t, lam, rhythm, tokens, mask, None, simulated).float()
            if sampler.guidance == 1:
                return conditional
            unconditional = denoiser(z_t, lam, *self.denoiser.withheld(z_t)).float()
            return guided(conditional, unconditional, sampler.guidance, sampler.rescale)

        def misfit(latent: Tensor) -> Tensor:
            return (self.autoencoder.decode(latent).float() - wanted).square().mean((1, 2))

        def guide(z_t: Tensor, lam: Tensor) -> Tensor:
            v = predict(z_t, lam)
            return pulled(v, z_t, lam, misfit, strength) if strength.any() else v

        def fresh(step: int) -> Tensor:
            return _noise(batch.slots, step).to(self.device)

        with autocast(self.device, sampler.precision):
            latent = SAMPLERS[sampler.method](guide, noise.to(self.device), sampler.steps, fresh)
        return self.autoencoder.decode(latent).float().cpu()

    @cached_property
    def _compiled(self) -> Any:
        """The denoiser compiled for the very shapes it is given: what a batch comes to must not follow those before."""
        return compiled(self.denoiser, "synthesis.sampler", dynamic=False)

    def _simulated(self, morphologies: MorphologyModel, tokens: Tensor, mask: Tensor, batch: Batch) -> Tensor:
        """The simulator's records of morphologies drawn from p(η | c): (batch, 8, 1000) in mV."""
        noise = [normal((1, SIZE), "morphology", *vars(slot).values()) for slot in batch.slots]
        rates = torch.tensor([_rate(row) for row in batch.rows], device=self.device)
        bumps = morphologies.sample(torch.stack(noise).to(self.device), tokens, mask, rates).cpu()
        for place, (row, rate) in enumerate(zip(batch.rows, rates.tolist(), strict=True)):
            if row.intervals.asked:
                bumps[place] = edit_bumps(bumps[place], rate, morphologies.told(row.intervals))
        return simulated_ecg(bumps, [beats_course(*beats) for beats in batch.beats])


def _rate(row: RequestRow) -> float:
    """bpm."""
    return expected_heart_rate(row.condition) or USUAL_HEART_RATE


def _noise(slots: Sequence[Slot], *step: int) -> Tensor:
    """Standard normal (slots, 10, 125), a function of (seed, index, try), and of the step that adds it."""
    shape = LATENT_CHANNELS, LATENT_STEPS
    return torch.stack([normal(shape, "noise", *vars(slot).values(), *step) for slot in slots])


def _padded(start: int, rows: int, batch_size: int) -> Tensor:
    """Indices of a batch; the last batch repeats its last row until it is full."""
    return torch.arange(start, start + batch_size).clamp(max=rows - 1)
