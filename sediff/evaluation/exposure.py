"""The denoiser's own loss on a record, calibrated by a reference: what its training has made easier than it is.

Records differ in how hard they are to denoise, much more than training makes of it. A reference that never saw any of
them (Watson et al. 2022) says how hard each is: here a denoiser of the same size, trained on validation patients.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.data import TrainingData, denoiser_data, with_own
from sediff.diffusion.model import Denoiser, rhythm_channels
from sediff.diffusion.params import DiffusionParams, PhysicsParams
from sediff.diffusion.schedule import add_noise, velocity
from sediff.diffusion.train import train_denoiser
from sediff.ecg import independent_leads
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.embedding import EmbeddingAccess
from sediff.evaluation.params import AuditParams
from sediff.seeds import generator
from sediff.simulator.morphology import Morphology
from sediff.simulator.own import own_morphology
from sediff.training import Job
from sediff.vocabulary import Vocabulary

LEVELS = (-3.0, -1.0, 1.0, 3.0, 5.0)  # log-SNR at which the loss is taken
BATCH = 128
NO_PHYSICS = PhysicsParams(form="none")


@dataclass(frozen=True)
class Folders:
    """Where the parts of the generator lie that the audit asks."""

    simulator: Path
    knowledge: Path
    conditioner: Path
    autoencoder: Path
    diffusion: Path


@dataclass(frozen=True)
class OwnFits:
    """How the generator's training records were fitted: steps of least squares, and the worst error of a fit taken."""

    steps: int
    worst_error: float


class Denoising:
    """A generator's denoiser, and what it takes to show it any record of the corpus."""

    def __init__(
        self,
        folders: Folders,
        own: OwnFits,
        vocabulary: Vocabulary,
        access: EmbeddingAccess,
        device: torch.device,
    ) -> None:
        self.folders, self.own, self.vocabulary, self.access, self.device = folders, own, vocabulary, access, device
        self.denoiser = Denoiser.load(folders.diffusion).to(device)
        self.conditioner = Conditioner.load(folders.conditioner).to(device)
        self.autoencoder = Autoencoder.load(folders.autoencoder).to(device)

    def data(self, records: pl.DataFrame, signals: NDArray[np.int16]) -> TrainingData:
        """What the denoiser is shown of records of the corpus, with signals (n, 12, 1000) in µV.

        Of two stages that is η too, as in training: of members and strangers alike fitted anew to the record itself.
        """
        leads = independent_leads(signals)
        with torch.no_grad():
            parts = [
                self.autoencoder.encode(part.to(self.device).float() / 1000).cpu()
                for part in torch.from_numpy(leads).split(BATCH)
            ]
        folders = self.folders
        data = denoiser_data(
            NO_PHYSICS,
            records,
            torch.cat(parts),
            folders.simulator,
            folders.knowledge,
            self.conditioner,
            self.vocabulary,
            self.access,
        )
        if not self.denoiser.params.morphology:
            return data
        fits = own_morphology(records, leads, Morphology.load(folders.simulator), self.own.steps)
        return with_own(data, records, fits, folders.simulator, self.autoencoder, self.own.worst_error)

    def reference(self, params: AuditParams, data: TrainingData, job: Job) -> nn.Module:
        """A denoiser of the same size, trained on other records, without physics terms."""
        wanted = DiffusionParams(
            denoiser=self.denoiser.params,
            physics=NO_PHYSICS,
            steps=params.reference_steps,
            batch_size=params.batch_size,
            learning_rate=params.learning_rate,
            average=0.0,
            condition_dropout=0.0,
        )
        trained = train_denoiser(wanted, data, self.conditioner, self.autoencoder, job).network
        return trained.to(self.device).eval()

    def losses(self, denoiser: nn.Module, data: TrainingData, draws: int, seed: int) -> NDArray[np.float64]:
        """Mean square error of v at each of `LEVELS`, the mean of some draws of noise: (n, 5).

        The same noise for each denoiser, so that what is left of their difference is what they have learned.
        """
        parts = []
        for place, rows in enumerate(torch.arange(len(data.latents)).split(BATCH)):
            part = data.rows(rows).to(self.device)
            parts.append(self._losses(denoiser, part, [(seed, "audit", place, draw) for draw in range(draws)]))
        return torch.cat(parts).double().numpy()

    @torch.no_grad()
    def _losses(self, denoiser: nn.Module, data: TrainingData, seeds: list[tuple]) -> Tensor:
        z, rhythm = data.latents, rhythm_channels(data.courses)
        tokens, mask = self.conditioner(data.conditions)
        simulated = data.simulated.channels if data.simulated else None
        found = []
        for level in LEVELS:
            lam, errors = torch.full((len(z),), level, device=z.device), []
            for parts in seeds:
                noise = torch.randn(z.shape, generator=generator(*parts, level)).to(z.device)
                v = denoiser(add_noise(z, noise, lam), lam, rhythm, tokens, mask, simulated=simulated)
                errors.append((v - velocity(z, noise, lam)).square().mean((1, 2)))
            found.append(torch.stack(errors).mean(0))
        return torch.stack(found, dim=1).cpu()


def calibrated(own: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much lower the loss is than the reference's, as the mean logarithm over the levels: (n, 5) twice to (n,)."""
    return np.log(reference / own).mean(1)
