import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sediff.simulator.ode import forcing, integrate, scale_with_rate, steady_beat, vector_field, wrap

# One lead of McSharry's paper: θ, a, b of P, Q, R, S, T.
THETA = torch.tensor([-math.pi / 3, -math.pi / 12, 0.0, math.pi / 12, math.pi / 2], dtype=torch.float64)
A = torch.tensor([1.2, -5.0, 30.0, -7.5, 0.75], dtype=torch.float64)
B = torch.tensor([0.25, 0.1, 0.1, 0.1, 0.4], dtype=torch.float64)


def phases(rate: int, heart_rate: float = 70, seconds: float = 6) -> torch.Tensor:
    """Phase on the grid that `integrate` wants: a point between each two samples."""
    time = torch.arange(2 * int(seconds * rate) - 1, dtype=torch.float64) / (2 * rate)
    return wrap(2 * math.pi * heart_rate / 60 * time)


def test_integration_agrees_with_a_tight_solver():
    rate = 100
    ours = integrate(phases(rate), 1 / rate, THETA, A, B)
    omega = 2 * math.pi * 70 / 60

    def slope(t, z):
        theta = wrap(torch.tensor([omega * t], dtype=torch.float64))
        return vector_field(torch.from_numpy(z), theta, THETA, A, B).numpy()

    time = np.arange(len(ours)) / rate
    reference = solve_ivp(slope, (0, time[-1]), [0.0], t_eval=time, rtol=1e-9, atol=1e-11, max_step=0.01).y[0]
    assert np.abs(ours.numpy() - reference).max() < 2e-3 * np.abs(reference).max()


def test_500_hz_and_100_hz_agree():
    fine, coarse = (integrate(phases(rate), 1 / rate, THETA, A, B) for rate in (500, 100))
    assert (fine[::5] - coarse).abs().max() < 2e-3 * fine.abs().max()


def test_a_field_s_baseline_may_differ_by_lead():
    z = torch.zeros(2, 8, 3, dtype=torch.float64)
    baseline = torch.arange(8, dtype=torch.float64)[:, None]
    theta = torch.full((2, 1, 3), 3.0, dtype=torch.float64)
    raised = vector_field(z, theta, THETA, A, B, baseline) - vector_field(z, theta, THETA, A, B)
    assert torch.allclose(raised, baseline.expand(2, 8, 3))


def test_the_steady_beat_is_what_integration_settles_to():
    beat = steady_beat(torch.tensor(2 * math.pi, dtype=torch.float64), THETA, A, B, 1000)
    settled = integrate(phases(1000, 60, 12), 1e-3, THETA, A, B)
    last = settled[10500:11500]
    assert (last - last.mean() - beat + beat.mean()).abs().max() < 1e-3 * beat.abs().max()


def test_r_amplitude_stays_from_50_to_150_bpm():
    a = torch.zeros_like(A)
    a[2] = A[2]
    rates = torch.tensor([50.0, 60.0, 75.0, 100.0, 125.0, 150.0], dtype=torch.float64)
    theta, b = scale_with_rate(THETA, B, rates)
    beats = steady_beat(2 * math.pi * rates / 60, theta, a, b, 2000)
    heights = beats.amax(-1) - beats[:, 0]  # above the level half a beat away
    assert (heights / heights[1] - 1).abs().max() < 0.02


def test_field_has_a_gradient_in_z():
    z = torch.randn(3, 8, 20, dtype=torch.float64, requires_grad=True)
    vector_field(z, torch.zeros(3, 1, 20, dtype=torch.float64), THETA, A, B).sum().backward()
    assert torch.equal(z.grad, -torch.ones_like(z))


@pytest.mark.parametrize("angle", [math.pi, -math.pi, 3 * math.pi, 0.3])
def test_wrapped_angles_lie_below_pi(angle):
    wrapped = wrap(torch.tensor(angle, dtype=torch.float64)).item()
    assert -math.pi <= wrapped < math.pi
    assert math.isclose(math.cos(wrapped), math.cos(angle), abs_tol=1e-9)


def test_a_wave_is_no_step_across_the_wrap():
    theta = torch.tensor([-math.pi + 1e-6, math.pi - 1e-6], dtype=torch.float64)
    left, right = forcing(theta, THETA, A, B).tolist()
    assert left == pytest.approx(right, abs=1e-4)
