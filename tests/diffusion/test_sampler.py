import torch

from sediff.diffusion.sampler import dpm_solver_2m, guided
from sediff.diffusion.schedule import add_noise, alpha_sigma, estimate, log_snr, velocity


def test_estimate_gives_the_latent_back_at_any_noise():
    z, noise = torch.randn(64, 10, 125), torch.randn(64, 10, 125)
    lam = torch.linspace(-10, 10, 64)
    again = estimate(add_noise(z, noise, lam), velocity(z, noise, lam), lam)
    assert torch.allclose(again, z, atol=1e-4)


def test_variance_is_preserved_and_the_range_reaches_pure_noise():
    alpha, sigma = alpha_sigma(log_snr(torch.tensor([1e-4, 0.5, 1 - 1e-4])))
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(3))
    assert alpha[2] < 0.01 < 0.99 < alpha[0]


def test_a_perfect_denoiser_is_followed_to_a_gaussian():
    """For z ~ N(m, s²) the best estimate is known; the sampler must give that distribution."""
    mean, deviation = 1.5, 0.4

    def predict(z_t, lam):
        alpha, sigma = (value[:, None, None] for value in alpha_sigma(lam))
        gain = alpha * deviation**2 / (alpha**2 * deviation**2 + sigma**2)
        z = mean + gain * (z_t - alpha * mean)
        return (alpha * z_t - z) / sigma

    noise = torch.randn(500, 10, 125, generator=torch.Generator().manual_seed(0))
    few, many = (dpm_solver_2m(predict, noise, steps) for steps in (12, 200))
    for samples in (few, many):
        assert abs(samples.mean() - mean) < 0.02
    assert abs(many.std() - deviation) < 0.02
    assert abs(few.std() - deviation) < 0.06


def test_guidance_of_one_is_none():
    a, b = torch.randn(3), torch.randn(3)
    assert torch.equal(guided(a, b, 1.0), a)
    assert torch.allclose(guided(a, b, 2.0), 2 * a - b)
