"""Samplers over steps uniform in log-SNR λ, all of one signature, and classifier-free guidance.

A sampler goes from pure noise at the lowest λ to `LAST` and gives the network's estimate of the latent there. In
x̄ = z_t / α and σ̄ = σ / α the probability-flow ODE is dx̄/dσ̄ = ε̂ (Karras et al. 2022); ẑ and ε̂ follow from v. A step
goes from λ_t up to λ_s.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from sediff.diffusion.schedule import LOG_SNR_MAX, LOG_SNR_MIN, alpha_sigma, estimate

LAST = LOG_SNR_MAX - 3  # log-SNR of the last step; what is left below is not seen at 100 Hz
Predict = Callable[[Tensor, Tensor], Tensor]  # v of z_t (batch, 10, 125) and λ (batch,)
Fresh = Callable[[int], Tensor]  # new standard normal noise (batch, 10, 125) for a step


class Sampler(Protocol):
    """Pure noise (batch, 10, 125) to a latent of the same shape, in so many steps."""

    def __call__(self, predict: Predict, noise: Tensor, steps: int, fresh: Fresh) -> Tensor:
        """Sample; `predict` is asked once more at the end, and `fresh` only where a sampler adds noise."""
        ...


class Level(NamedTuple):
    """A noise level: log-SNR λ, α and σ, scalars."""

    lam: Tensor
    alpha: Tensor
    sigma: Tensor


def guided(conditional: Tensor, unconditional: Tensor, scale: float, rescale: float = 0.0) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022): v∅ + scale (v − v∅); 1 is no guidance.

    A scale above 1 raises the deviation. `rescale` is φ of Lin et al. (2023, equations 15 and 16): that share of
    the result is brought back to the deviation that v has in its record.
    """
    v = torch.lerp(unconditional, conditional, scale)
    if rescale == 0:
        return v
    ratio = conditional.std((1, 2), keepdim=True) / v.std((1, 2), keepdim=True)
    return v * (1 + rescale * (ratio - 1))


def pulled(v: Tensor, z_t: Tensor, lam: Tensor, misfit: Callable[[Tensor], Tensor], strength: float | Tensor) -> Tensor:
    """v whose estimate of the latent is moved along the gradient of a misfit (batch,) that is a square.

    With strength 1, without noise, it goes as far as would end a linear misfit; with noise so much less as the
    estimate is worth, SNR / (1 + SNR).
    """
    with torch.enable_grad():
        z = estimate(z_t, v, lam).detach().requires_grad_()
        off = misfit(z)
        (slope,) = torch.autograd.grad(off.sum(), z)
    step = 2 * strength * torch.sigmoid(lam) * off.detach() / slope.square().sum((1, 2)).clamp(min=1e-12)
    return v + (step / alpha_sigma(lam)[1])[:, None, None] * slope


def ddpm(predict: Predict, noise: Tensor, steps: int, fresh: Fresh) -> Tensor:
    """Ancestral sampling (Ho et al. 2020) in the continuous form of Kingma et al. (2021).

    z_s = (α_t σ_s² / α_s σ_t²) z_t + c α_s ẑ + σ_s √c ε with c = 1 − exp(λ_t − λ_s) and new noise ε.
    """
    z_t = noise
    for step, (t, s) in enumerate(_steps(noise, steps)):
        z, _ = _denoised(predict, z_t, t)
        c = -torch.expm1(t.lam - s.lam)
        mean = (t.alpha / s.alpha) * (s.sigma / t.sigma) ** 2 * z_t + c * s.alpha * z
        z_t = mean + s.sigma * c.sqrt() * fresh(step)
    return _last(predict, z_t)


def ddim(predict: Predict, noise: Tensor, steps: int, fresh: Fresh) -> Tensor:
    """Deterministic steps z_s = α_s ẑ + σ_s ε̂ (Song et al. 2021, equation 12 with σ = 0); of first order."""
    z_t = noise
    for t, s in _steps(noise, steps):
        z, epsilon = _denoised(predict, z_t, t)
        z_t = s.alpha * z + s.sigma * epsilon
    return _last(predict, z_t)


def heun(predict: Predict, noise: Tensor, steps: int, fresh: Fresh) -> Tensor:
    """Heun's method on dx̄/dσ̄ = ε̂ (Karras et al. 2022, algorithm 1); of second order, two predictions a step."""
    z_t = noise
    for t, s in _steps(noise, steps):
        z, epsilon = _denoised(predict, z_t, t)
        _, ahead = _denoised(predict, s.alpha * z + s.sigma * epsilon, s)
        step = s.sigma / s.alpha - t.sigma / t.alpha
        z_t = s.alpha * (z_t / t.alpha + step * (epsilon + ahead) / 2)
    return _last(predict, z_t)


def dpm_solver_2m(predict: Predict, noise: Tensor, steps: int, fresh: Fresh) -> Tensor:
    """DPM-Solver++ (2M) (Lu et al. 2022, algorithm 2), whose λ is half a log-SNR; of second order, one prediction.

    z_s = (σ_s / σ_t) z_t − α_s (e^(−h) − 1) D with h = (λ_s − λ_t) / 2 and D = 1.5 ẑ − 0.5 ẑ of the step before.
    """
    z_t, before = noise, None
    for t, s in _steps(noise, steps):
        z, _ = _denoised(predict, z_t, t)
        direction = z if before is None else 1.5 * z - 0.5 * before
        z_t = s.sigma / t.sigma * z_t - s.alpha * math.expm1(float(t.lam - s.lam) / 2) * direction
        before = z
    return _last(predict, z_t)


SAMPLERS: dict[str, Sampler] = {"ddpm": ddpm, "ddim": ddim, "heun": heun, "dpm-solver++": dpm_solver_2m}


def _steps(noise: Tensor, steps: int) -> Iterator[tuple[Level, Level]]:
    lams = torch.linspace(LOG_SNR_MIN, LAST, steps + 1, device=noise.device, dtype=noise.dtype)
    return pairwise(Level(lam, *alpha_sigma(lam)) for lam in lams)


def _denoised(predict: Predict, z_t: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """ẑ = α z_t − σ v and ε̂ = σ z_t + α v."""
    v = predict(z_t, level.lam.expand(len(z_t)))
    return level.alpha * z_t - level.sigma * v, level.sigma * z_t + level.alpha * v


def _last(predict: Predict, z_t: Tensor) -> Tensor:
    lam = z_t.new_full((len(z_t),), LAST)
    return estimate(z_t, predict(z_t, lam), lam)
