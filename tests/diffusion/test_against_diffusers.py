"""Our samplers against the schedulers of diffusers, at the same levels of noise and with the same predictions."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from sediff.diffusion.sampler import LAST, SAMPLERS
from sediff.diffusion.schedule import LOG_SNR_MIN

STEPS = 12
LAMS = np.linspace(LAST, LOG_SNR_MIN, STEPS + 1)  # from little noise to nothing else, as diffusers counts its times
VARIANCES = 1 / (1 + np.exp(-LAMS))  # α²
BETAS = 1 - VARIANCES / np.concatenate([[1.0], VARIANCES[:-1]])
GIVEN = {"num_train_timesteps": STEPS + 1, "trained_betas": BETAS, "prediction_type": "v_prediction"}


def predict(z_t: Tensor, lam: Tensor) -> Tensor:
    """Some v that is linear in neither."""
    return torch.tanh(z_t + 0.1 * lam[:, None, None]) - 0.3 * z_t.roll(1, -1)


def by_diffusers(scheduler: DDIMScheduler | DPMSolverMultistepScheduler, noise: Tensor) -> Tensor:
    z_t = noise
    for time, lam in zip(scheduler.timesteps, LAMS[::-1], strict=True):
        v = predict(z_t, torch.full((len(noise),), lam, dtype=noise.dtype))
        z_t = scheduler.step(v, time, z_t).prev_sample
    return z_t


def ddim() -> DDIMScheduler:
    scheduler = DDIMScheduler(**GIVEN, clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(STEPS + 1)
    return scheduler


def dpm_solver() -> DPMSolverMultistepScheduler:
    """Its own levels are rounded, so it is given ours, and after them none: σ / α."""
    scheduler = DPMSolverMultistepScheduler(**GIVEN, solver_order=2, lower_order_final=False, final_sigmas_type="zero")
    scheduler.set_timesteps(STEPS + 1)
    scheduler.timesteps = torch.arange(STEPS, -1, -1)
    scheduler.sigmas = torch.tensor([*np.exp(-LAMS[::-1] / 2), 0.0])
    return scheduler


@pytest.mark.parametrize(("name", "scheduler"), [("ddim", ddim), ("dpm-solver++", dpm_solver)])
def test_a_sampler_ends_where_diffusers_does(name, scheduler):
    """To a ten-thousandth of the latents' deviation; diffusers keeps its levels in float32."""
    noise = torch.randn(3, 10, 125, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = SAMPLERS[name](predict, noise, STEPS, lambda step: torch.zeros_like(noise))
    theirs = by_diffusers(scheduler(), noise)
    assert (ours - theirs).abs().max() < 1e-4 * ours.std()
    fewer = SAMPLERS[name](predict, noise, STEPS - 1, lambda step: torch.zeros_like(noise))
    assert (fewer - theirs).abs().max() > 0.01 * ours.std(), "one step fewer is told apart"
