"""The diffusion stage: L_total = L_DDPM + λ·L_Euler + γ·L_interlead (SE-Diff, part 3)."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sediff.autoencoder.beat import BeatGrid, beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.model import Denoiser, rhythm_channels
from sediff.diffusion.params import DiffusionParams
from sediff.diffusion.physics import Waves, euler_loss, field, interlead_loss, slopes
from sediff.diffusion.schedule import add_noise, alpha_sigma, estimate, log_snr, velocity
from sediff.ecg import SAMPLES, SAMPLING_RATE
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Conditions, corpus_conditions, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, reopen_embedding
from sediff.files import write_json
from sediff.layers import read_tensors
from sediff.records import read_columns
from sediff.seeds import seed_of
from sediff.simulator.morphology import Morphology
from sediff.simulator.rhythm import phase
from sediff.training import Job, Schedule, Terms, train
from sediff.vocabulary import Vocabulary

RECORDS_FOR_SCALE = 512


@dataclass(frozen=True)
class TrainingData:
    """What the denoiser learns from, a row for each training record.

    Attributes:
        latents: standardised, (n, 10, 125).
        phases: θ at 100 Hz, (n, 1000).
        conditions: encoded conditions.
        grid, waves: where the beats lie and the simulator's morphology of the record's class.
    """

    latents: Tensor
    phases: Tensor
    conditions: Conditions
    grid: BeatGrid
    waves: Waves

    def rows(self, index: Tensor) -> "TrainingData":
        """The data of some records."""
        latents, phases = self.latents[index], self.phases[index]
        return TrainingData(latents, phases, self.conditions.rows(index), self.grid.rows(index), self.waves.rows(index))

    def to(self, device: torch.device) -> "TrainingData":
        """The same on another device."""
        return TrainingData(*(getattr(self, part.name).to(device) for part in fields(self)))


def train_diffusion(
    params: DiffusionParams,
    corpus: Path,
    simulator: Path,
    knowledge: Path,
    encoder: Path,
    autoencoder: Path,
    vocabulary: Vocabulary,
    job: Job,
    access: EmbeddingAccess,
) -> str:
    """Train the denoiser on the training records and write `denoiser.*` into the job's `out`."""
    conditioner = Conditioner.load(encoder).to(job.device)
    decoder = Autoencoder.load(autoencoder).to(job.device)
    data = load_training_data(corpus, simulator, knowledge, autoencoder, conditioner, vocabulary, access)
    torch.manual_seed(seed_of(job.seed, "denoiser"))
    denoiser = Denoiser(params.denoiser, conditioner.config["width"])
    loss = DiffusionLoss(params, conditioner, decoder, data.latents[:RECORDS_FOR_SCALE].to(job.device))
    schedule = Schedule(
        params.steps,
        min(params.batch_size, len(data.latents)),
        params.learning_rate,
        average=params.average,
        precision=params.precision,
    )
    trained = train(denoiser, data.rows, loss, len(data.latents), schedule, job, "denoiser")
    averaged, curves = trained.network, trained.curves
    averaged.cpu().save(job.out)
    write_json(job.report / "curves.json", {"denoiser": curves})
    final = {name: curve["y"][-1] for name, curve in curves.items()}
    parameters = sum(weight.numel() for weight in averaged.parameters())
    metrics = {"parameters": parameters, "records": len(data.latents), "steps": params.steps, "final": final}
    write_json(job.report / "metrics.json", metrics)
    return f"denoiser of {parameters / 1e6:.1f} M weights, {params.steps} steps, loss {final['denoising']:.3f}"


class DiffusionLoss:
    """The loss of one batch; physics speaks every few steps, on some rows, through the frozen D_beat.

    Args:
        latents: of some records, from which the unit of the physics terms is taken.
    """

    def __init__(
        self, params: DiffusionParams, conditioner: Conditioner, decoder: Autoencoder, latents: Tensor
    ) -> None:
        self.params, self.conditioner, self.decoder = params, conditioner, decoder
        with torch.no_grad():
            # Mean square slope of the beats, (mV/s)².
            self.slope_scale = float((slopes(decoder.decode_beat(latents)) ** 2).mean())

    def __call__(self, denoiser: nn.Module, data: TrainingData, rng: torch.Generator) -> tuple[Tensor, Terms]:
        params, z = self.params, data.latents
        device, count = z.device, len(z)
        noise = torch.randn(z.shape, generator=rng).to(device)
        # Stratified times: one in each of equal parts of (0, 1), so that a batch covers every noise level.
        u = (torch.arange(count) + torch.rand(count, generator=rng)) / count
        lam = log_snr(u.clamp(1e-4, 1 - 1e-4)).to(device)
        dropped = (torch.rand(count, generator=rng) < params.condition_dropout).to(device)
        with torch.no_grad():
            tokens, mask = self.conditioner(data.conditions.withheld(params.condition_dropout, rng))

        z_t = add_noise(z, noise, lam)
        v = denoiser(z_t, lam, rhythm_channels(data.phases), tokens, mask, dropped).float()
        terms = {"denoising": nn.functional.mse_loss(v, velocity(z, noise, lam))}
        physics = params.physics
        speaks = torch.rand((), generator=rng) < 1 / physics.every
        if not speaks or not (physics.euler or physics.interlead):
            zero = torch.zeros((), device=device)
            return terms["denoising"], {**terms, "euler": zero, "interlead": zero}
        chosen = torch.randperm(count, generator=rng)[: physics.rows].to(device)
        some = (data.grid.rows(chosen), data.waves.rows(chosen))
        euler, interlead = self.physics(estimate(z_t, v, lam)[chosen], lam[chosen], *some)
        terms |= {"euler": physics.every * euler, "interlead": physics.every * interlead}
        total = terms["denoising"] + physics.euler * terms["euler"] + physics.interlead * terms["interlead"]
        return total, terms

    def physics(self, estimated: Tensor, lam: Tensor, grid: BeatGrid, waves: Waves) -> tuple[Tensor, Tensor]:
        """L_Euler and L_interlead of ẑ (batch, 10, 125), each record weighted by α² = SNR / (1 + SNR)."""
        beat = self.decoder.decode_beat(estimated)
        slope, vector, inside = slopes(beat), field(beat, grid, waves), grid.inside()[:, :-1]
        weight = alpha_sigma(lam)[0] ** 2 / self.slope_scale
        euler, interlead = euler_loss(slope, vector, inside), interlead_loss(slope, vector, inside)
        return (weight * euler).mean(), (weight * interlead).mean()


def load_training_data(
    corpus: Path,
    simulator: Path,
    knowledge: Path,
    autoencoder: Path,
    conditioner: Conditioner,
    vocabulary: Vocabulary,
    access: EmbeddingAccess,
) -> TrainingData:
    """Gather latents, phases, conditions and morphology of the training records, in corpus order."""
    records = read_columns(corpus / "records").filter(pl.col("split") == "train")
    latents = read_tensors(autoencoder / "latents.safetensors")["latents"]
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    rates = torch.tensor(records["heart_rate"].to_numpy().astype(np.float32))
    morphology = Morphology.load(simulator)
    waves = morphology.for_statements(records["statements"].to_list()).at_rate(rates[:, None], morphology.exponents)
    embedding = reopen_embedding(conditioner.config["embedding"], access)
    return TrainingData(
        latents=latents,
        phases=torch.from_numpy(np.stack([record_phase(row) for row in peaks])),
        conditions=encode_conditions(corpus_conditions(records, knowledge), vocabulary, conditioner.buckets, embedding),
        grid=beat_grid(peaks),
        waves=Waves(*waves),
    )


def record_phase(peaks: NDArray[np.float64]) -> NDArray[np.float32]:
    """θ of a record at 100 Hz, (1000,), from its R peaks in seconds; the mean RR goes on beyond the outer ones."""
    rr = float(np.mean(np.diff(peaks)))
    duration = SAMPLES / SAMPLING_RATE
    before = peaks[0] - rr * np.arange(int(peaks[0] / rr) + 1, 0, -1)
    after = peaks[-1] + rr * np.arange(1, int((duration - peaks[-1]) / rr) + 2)
    return phase(np.concatenate([before, peaks, after]), np.arange(SAMPLES) / SAMPLING_RATE).astype(np.float32)
