"""Noise schedule and v-prediction, apart from the network.

z_t = α_t z + σ_t ε with α² + σ² = 1. The time u ∈ (0, 1) is uniform; log-SNR λ = log(α²/σ²) follows the
cosine schedule (Nichol & Dhariwal 2021) and runs to pure noise. The network predicts
v = α ε − σ z (Salimans & Ho 2022), so ẑ = α z_t − σ v never divides by a small α.
"""

import math

import torch
from torch import Tensor

LOG_SNR_MAX = 10.0
LOG_SNR_MIN = -10.0


def log_snr(u: Tensor) -> Tensor:
    """Cosine schedule: λ(u) = −2 log tan(πu/2), cut to the range that is trained."""
    return (-2 * torch.log(torch.tan(math.pi * u / 2))).clamp(LOG_SNR_MIN, LOG_SNR_MAX)


def alpha_sigma(lam: Tensor) -> tuple[Tensor, Tensor]:
    """α and σ of a log-SNR λ."""
    return torch.sigmoid(lam).sqrt(), torch.sigmoid(-lam).sqrt()


def add_noise(z: Tensor, noise: Tensor, lam: Tensor) -> Tensor:
    """z_t of z (batch, channels, steps) at λ (batch,)."""
    alpha, sigma = (value[:, None, None] for value in alpha_sigma(lam))
    return alpha * z + sigma * noise


def velocity(z: Tensor, noise: Tensor, lam: Tensor) -> Tensor:
    """v = α ε − σ z."""
    alpha, sigma = (value[:, None, None] for value in alpha_sigma(lam))
    return alpha * noise - sigma * z


def estimate(z_t: Tensor, v: Tensor, lam: Tensor) -> Tensor:
    """ẑ = α z_t − σ v, the network's own estimate of the clean latent."""
    alpha, sigma = (value[:, None, None] for value in alpha_sigma(lam))
    return alpha * z_t - sigma * v
