"""L_total = L_DDPM + λ·L_Euler + γ·L_interlead (SE-Diff, part 3)."""

import time

import torch
from torch import Tensor, nn

from sediff.autocast import autocast
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.data import TrainingData
from sediff.diffusion.model import rhythm_channels
from sediff.diffusion.params import DiffusionParams
from sediff.diffusion.physics import slopes
from sediff.diffusion.physics_forms import FORMS, WEIGHTS
from sediff.diffusion.schedule import add_noise, estimate, log_snr, velocity
from sediff.encoder.conditioner import Conditioner
from sediff.training import Terms

TIMED = 3  # times that the physics terms are timed


class DiffusionLoss:
    """The loss of one batch; physics speaks every few steps, on some rows, through the frozen D_beat.

    Args:
        latents: of some records, from which the unit of the physics terms is taken.
    """

    def __init__(
        self, params: DiffusionParams, conditioner: Conditioner, decoder: Autoencoder, latents: Tensor
    ) -> None:
        self.params, self.conditioner, self.decoder = params, conditioner, decoder
        self.form, self.weight = FORMS[params.physics.form], WEIGHTS[params.physics.weight]
        with torch.no_grad():
            # Mean square slope of the beats, (mV/s)².
            self.slope_scale = float((slopes(decoder.decode_beat(latents)) ** 2).mean())

    def __call__(self, denoiser: nn.Module, data: TrainingData, rng: torch.Generator) -> tuple[Tensor, Terms]:
        physics = self.params.physics
        denoising, estimated, lam = self.denoise(denoiser, data, rng)
        # Drawn last, so that the noise of a step is the same whatever the form.
        speaks = bool(torch.rand((), generator=rng) < 1 / physics.every)
        if not (speaks and self.form and (physics.euler or physics.interlead)):
            zero = torch.zeros((), device=denoising.device)
            return denoising, {"denoising": denoising, "euler": zero, "interlead": zero}
        euler, interlead = (physics.every * term for term in self.physics(estimated, lam, data, rng))
        total = denoising + physics.euler * euler + physics.interlead * interlead
        return total, {"denoising": denoising, "euler": euler, "interlead": interlead}

    def denoise(self, denoiser: nn.Module, data: TrainingData, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """L_DDPM, ẑ (batch, 10, 125) and λ (batch,)."""
        params, z = self.params, data.latents
        device, count = z.device, len(z)
        noise = torch.randn(z.shape, generator=rng).to(device)
        # Stratified times: one in each of equal parts of (0, 1), so that a batch covers every noise level.
        u = (torch.arange(count) + torch.rand(count, generator=rng)) / count
        lam = log_snr(u.clamp(1e-4, 1 - 1e-4)).to(device)
        dropped = (torch.rand(count, generator=rng) < params.condition_dropout).to(device)
        with torch.no_grad():
            tokens, mask = self.conditioner(data.conditions.withheld(params.condition_dropout, rng))
        simulated = None
        if data.simulated is not None:
            kept = torch.rand(count, generator=rng) >= params.morphology.dropout
            simulated = data.simulated.channels * kept.to(device)[:, None, None]
        z_t = add_noise(z, noise, lam)
        v = denoiser(z_t, lam, rhythm_channels(data.courses), tokens, mask, dropped, simulated).float()
        return nn.functional.mse_loss(v, velocity(z, noise, lam)), estimate(z_t, v, lam), lam

    def physics(
        self, estimated: Tensor, lam: Tensor, data: TrainingData, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """L_Euler and L_interlead of ẑ (batch, 10, 125): means over the batch, by noise level, each from some rows."""
        if self.form is None:
            return (torch.zeros((), device=lam.device),) * 2
        order = torch.randperm(len(lam), generator=rng).to(lam.device)
        rows = order[data.applies[order].argsort(descending=True, stable=True)][: self.params.physics.rows]
        beat = self.decoder.decode_beat(estimated[rows])
        real = beat.detach()
        if self.form.compares:
            with torch.no_grad():
                real = self.decoder.decode_beat(data.latents[rows])
        terms = self.form(beat, real, data.grid.rows(rows), data.waves.rows(rows))
        # Where more records apply than are taken, those that are taken stand for them.
        taken, known = data.applies[rows].sum().clamp(min=1), data.applies.sum()
        weight = data.applies[rows] * self.weight(lam[rows]) * known / (taken * len(lam) * self.slope_scale)
        euler, interlead = ((weight * term).sum() for term in terms)
        return euler, interlead

    def gradients(self, denoiser: nn.Module, data: TrainingData, rng: torch.Generator) -> dict[str, float]:
        """Norm of each term's gradient in the denoiser's weights, on as many records as the physics terms are."""
        data = data.rows(torch.arange(min(self.params.physics.rows, len(data.latents))))
        denoising, estimated, lam = self.denoise(denoiser, data, rng)
        euler, interlead = self.physics(estimated, lam, data, rng)
        weights = list(denoiser.parameters())
        norms = {}
        for name, term in (("denoising", denoising), ("euler", euler), ("interlead", interlead)):
            found = (
                torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True) if term.requires_grad else ()
            )
            squares = [gradient.double().square().sum() for gradient in found if gradient is not None]
            norms[f"{name}_gradient"] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
        return norms

    def physics_seconds(self, data: TrainingData) -> float:
        """Seconds that the physics terms add to a mean step on a batch: through D_beat and back to ẑ."""
        physics, device = self.params.physics, data.latents.device
        if not (self.form and (physics.euler or physics.interlead)):
            return 0.0
        seconds = []
        for position in range(TIMED):
            estimated, rng = data.latents.clone().requires_grad_(), torch.Generator().manual_seed(position)
            _wait(device)
            started = time.perf_counter()
            with autocast(device, self.params.precision):
                euler, interlead = self.physics(estimated, torch.zeros(len(estimated), device=device), data, rng)
                (euler + interlead).backward()
            _wait(device)
            seconds.append(time.perf_counter() - started)
        return min(seconds) / physics.every


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
