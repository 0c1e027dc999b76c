import math
from itertools import pairwise

import pytest
import torch

from sediff.diffusion.sampler import LAST, SAMPLERS, ddpm, guided
from sediff.diffusion.schedule import LOG_SNR_MIN, add_noise, alpha_sigma, estimate, log_snr, velocity

MEAN, DEVIATION = 1.5, 0.4


def exact(z_t, lam):
    """v of the best estimate where the data are N(MEAN, DEVIATION²)."""
    alpha, sigma = (value[:, None, None] for value in alpha_sigma(lam))
    gain = alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + sigma**2)
    z = MEAN + gain * (z_t - alpha * MEAN)
    return (alpha * z_t - z) / sigma


def normal(rows: int, *parts: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(hash(parts) % 2**31)
    return torch.randn(rows, 10, 125, generator=rng, dtype=torch.float64)


def sampled(name: str, noise: torch.Tensor, steps: int) -> torch.Tensor:
    return SAMPLERS[name](exact, noise, steps, lambda step: normal(len(noise), 1, step))


def test_estimate_gives_the_latent_back_at_any_noise():
    z, noise = torch.randn(64, 10, 125), torch.randn(64, 10, 125)
    lam = torch.linspace(-10, 10, 64)
    again = estimate(add_noise(z, noise, lam), velocity(z, noise, lam), lam)
    assert torch.allclose(again, z, atol=1e-4)


def test_variance_is_preserved_and_the_range_reaches_pure_noise():
    alpha, sigma = alpha_sigma(log_snr(torch.tensor([1e-4, 0.5, 1 - 1e-4])))
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(3))
    assert alpha[2] < 0.01 < 0.99 < alpha[0]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_perfect_denoiser_is_followed_to_a_gaussian(name):
    samples = sampled(name, normal(100), 400)
    assert abs(samples.mean() - MEAN) < 0.01
    assert abs(samples.std() - DEVIATION) < 0.01


def test_few_steps_are_enough_for_the_default_sampler():
    samples = sampled("dpm-solver++", normal(100), 12)
    assert abs(samples.mean() - MEAN) < 0.02
    assert abs(samples.std() - DEVIATION) < 0.06


def solution(noise: torch.Tensor) -> torch.Tensor:
    """Where the probability-flow ODE of a Gaussian ends: (z_t − α m) / √(α² s² + σ²) stays as it was."""
    (first, sigma), (last, left) = (alpha_sigma(torch.tensor(lam, dtype=noise.dtype)) for lam in (LOG_SNR_MIN, LAST))
    spread = torch.sqrt((last**2 * DEVIATION**2 + left**2) / (first**2 * DEVIATION**2 + sigma**2))
    z_t = last * MEAN + spread * (noise - first * MEAN)
    lam = torch.full((len(noise),), LAST, dtype=noise.dtype)
    return estimate(z_t, exact(z_t, lam), lam)


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2), ("dpm-solver++", 2)])
def test_the_error_falls_with_the_order_of_the_method(name, order):
    noise = normal(4)
    errors = [float((sampled(name, noise, steps) - solution(noise)).abs().max()) for steps in (80, 160, 320)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.25)


def test_only_ancestral_sampling_takes_new_noise():
    noise, other = normal(2), lambda step: normal(2, 7, step)
    for name, sampler in SAMPLERS.items():
        same = torch.equal(sampled(name, noise, 5), sampler(exact, noise, 5, other))
        assert same == (sampler is not ddpm), name


def test_guidance_of_one_is_none():
    a, b = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    assert torch.equal(guided(a, b, 1.0), a)
    assert torch.allclose(guided(a, b, 2.0), 2 * a - b)


def test_rescaling_gives_each_record_its_deviation_back():
    a = torch.randn(4, 10, 125) * torch.tensor([0.5, 1, 2, 4])[:, None, None]
    b = 0.1 * torch.randn(4, 10, 125)
    assert (guided(a, b, 3.0).std((1, 2)) > 2 * a.std((1, 2))).all()
    assert torch.allclose(guided(a, b, 3.0, rescale=1.0).std((1, 2)), a.std((1, 2)), rtol=1e-4)
    half = (guided(a, b, 3.0).std((1, 2)) + a.std((1, 2))) / 2
    assert torch.allclose(guided(a, b, 3.0, rescale=0.5).std((1, 2)), half, rtol=1e-4)
