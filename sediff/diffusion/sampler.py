"""DPM-Solver++ (2M) with steps uniform in log-SNR (Lu et al. 2022, algorithm 2)."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from sediff.diffusion.schedule import LOG_SNR_MAX, LOG_SNR_MIN, alpha_sigma, estimate

Predict = Callable[[Tensor, Tensor], Tensor]


def guided(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022): v∅ + scale (v − v∅); 1 is no guidance."""
    return torch.lerp(unconditional, conditional, scale)


def dpm_solver_2m(predict: Predict, noise: Tensor, steps: int, last: float = LOG_SNR_MAX - 3) -> Tensor:
    """Integrate from pure noise to the latent.

    Args:
        predict: v as a function of z_t (batch, 10, 125) and λ (batch,).
        noise: standard normal (batch, 10, 125).
        steps: steps of the solver; `predict` is called once more, at the end.
        last: log-SNR of the last step; what is left below is not seen at 100 Hz.

    Returns:
        Latent (batch, 10, 125).
    """
    levels = torch.linspace(LOG_SNR_MIN, last, steps + 1, device=noise.device)
    z_t, previous, previous_step = noise, None, 0.0
    for start, end in pairwise(levels):
        lam = start.expand(len(noise))
        z = estimate(z_t, predict(z_t, lam), lam)
        alpha, sigma = alpha_sigma(end)
        step = float(end - start) / 2  # the paper's λ is half a log-SNR
        direction = z
        if previous is not None:
            ratio = previous_step / step
            direction = (1 + 1 / (2 * ratio)) * z - 1 / (2 * ratio) * previous
        _, sigma_start = alpha_sigma(start)
        z_t = sigma / sigma_start * z_t - alpha * torch.expm1(torch.tensor(-step)) * direction
        previous, previous_step = z, step
    lam = levels[-1].expand(len(noise))
    return estimate(z_t, predict(z_t, lam), lam)
