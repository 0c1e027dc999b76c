import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sediff.simulator.ode import (
    ECGSYN,
    RateExponents,
    Waves,
    forcing,
    omega_of,
    relax,
    relax_periodic,
    restore_periodic,
    steady_beat,
    vector_field,
    wrap,
)

# One lead of McSharry's paper: θ, a, b of P, Q, R, S, T.
THETA = torch.tensor([-math.pi / 3, -math.pi / 12, 0.0, math.pi / 12, math.pi / 2], dtype=torch.float64)
A = torch.tensor([1.2, -5.0, 30.0, -7.5, 0.75], dtype=torch.float64)
B = torch.tensor([0.25, 0.1, 0.1, 0.1, 0.4], dtype=torch.float64)
WAVES = Waves(THETA, A, B)
OMEGA = 2 * math.pi * 70 / 60
NARROW = Waves(
    THETA, torch.tensor([1.2, -50.0, 300.0, -75.0, 0.75], dtype=torch.float64), B / torch.tensor([1, 3, 3, 3, 1])
)


RATES = torch.tensor([50.0, 60.0, 75.0, 100.0, 125.0, 150.0], dtype=torch.float64)
FITTED = RateExponents(  # as PTB-XL has them
    torch.tensor([0.96, 0.94, 0.94, 0.94, 0.62]), torch.tensor([0.93, 0.94, 0.94, 0.94, 0.62])
)
BROAD_T = Waves(  # a low R and a T that reaches into the QRS: heights of 0.1, −0.05, 0.4, −0.3 and 0.6 mV
    torch.tensor([-1.0, -0.15, 0.0, 0.15, 1.7], dtype=torch.float64),
    torch.tensor([0.1, -0.05, 0.4, -0.3, 0.6], dtype=torch.float64)
    * (2 * math.pi)
    / torch.tensor([0.25, 0.06, 0.07, 0.07, 0.75], dtype=torch.float64) ** 2,
    torch.tensor([0.25, 0.06, 0.07, 0.07, 0.75], dtype=torch.float64),
)


def solved(waves: Waves, rate: int, seconds: float = 6.0) -> torch.Tensor:
    """`relax` on the bumps of a regular rhythm whose first beat comes half a period after the start."""
    time = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    offset = wrap(OMEGA * time[None] - math.pi - waves.theta[:, None])
    height = waves.heights(torch.tensor(OMEGA))
    return relax((height[:, None] * torch.exp(-0.5 * (offset / waves.b[:, None]) ** 2)).sum(0), 1 / rate)


@pytest.mark.parametrize("rate", [100, 500])
@pytest.mark.parametrize("waves", [WAVES, NARROW])
def test_the_solution_agrees_with_a_tight_solver(rate, waves):
    ours = solved(waves, rate)

    def slope(t, z):
        theta = wrap(torch.tensor([OMEGA * t - math.pi], dtype=torch.float64))
        return vector_field(torch.from_numpy(z), theta, *waves).numpy()

    time = np.arange(len(ours)) / rate
    tight = solve_ivp(slope, (0, time[-1]), [ours[0].item()], t_eval=time, rtol=1e-10, atol=1e-12, max_step=0.01).y[0]
    assert np.abs(ours.numpy() - tight).max() < 2e-3 * np.abs(tight).max()


@pytest.mark.parametrize("waves", [WAVES, NARROW])
def test_500_hz_and_100_hz_agree(waves):
    fine, coarse = solved(waves, 500), solved(waves, 100)
    assert (fine[::5] - coarse).abs().max() < 2e-3 * fine.abs().max()


def test_the_solution_has_a_gradient_in_each_parameter():
    waves = Waves(*(values.clone().requires_grad_() for values in WAVES))
    solved(waves, 100).square().sum().backward()
    assert all((values.grad != 0).all() for values in (waves.theta, waves.a, waves.b))


def test_a_field_s_baseline_may_differ_by_lead():
    z = torch.zeros(2, 8, 3, dtype=torch.float64)
    baseline = torch.arange(8, dtype=torch.float64)[:, None]
    theta = torch.full((2, 1, 3), 3.0, dtype=torch.float64)
    raised = vector_field(z, theta, THETA, A, B, baseline) - vector_field(z, theta, THETA, A, B)
    assert torch.allclose(raised, baseline.expand(2, 8, 3))


def test_the_steady_beat_is_what_the_solution_settles_to():
    beat = steady_beat(torch.tensor(OMEGA, dtype=torch.float64), THETA, A, B, 1000)
    time = 6 / 7 * np.arange(10_000) / 1000  # ten periods of a thousand points
    settled = solved(WAVES, 7000 // 6, 12)
    last = np.interp(time[9000:], np.arange(len(settled)) / (7000 // 6), settled.numpy())
    assert np.abs(last - last.mean() - (beat - beat.mean()).numpy()).max() < 2e-3 * beat.abs().max()


def test_undoing_the_filter_gives_the_bumps_back():
    bumps = torch.randn(3, 128, dtype=torch.float64)
    bumps -= bumps.mean(-1, keepdim=True)
    spectrum = torch.fft.rfft(bumps)
    spectrum[..., -1] = 0  # of the highest frequency only the real part survives
    bumps = torch.fft.irfft(spectrum, n=128)
    omega = torch.tensor([5.0, 7.0, 12.0], dtype=torch.float64)
    assert torch.allclose(restore_periodic(relax_periodic(bumps, omega), omega), bumps, atol=1e-9)


@pytest.mark.parametrize("exponents", [ECGSYN, FITTED])
def test_r_amplitude_stays_from_50_to_150_bpm(exponents):
    a = torch.zeros_like(A)
    a[2] = A[2]
    beats = steady_beat(omega_of(RATES), *Waves(THETA, a, B).at_rate(RATES, exponents), 2000)
    heights = beats.amax(-1) - beats[:, 0]  # above the level half a beat away
    assert (heights / heights[1] - 1).abs().max() < 0.02


def voltage_of_r(waves: Waves) -> torch.Tensor:
    """The QRS's highest point above the level 64 ms before R, of waves at `RATES`."""
    beats = steady_beat(omega_of(RATES), *waves, 4000)
    time = (torch.arange(4000) / 4000 - 0.5) * 60 / RATES[:, None]
    level = beats.gather(-1, (time + 0.064).abs().argmin(-1, keepdim=True))
    return torch.where(time.abs() < 0.03, beats - level, -math.inf).amax(-1)


def test_r_keeps_its_voltage_where_p_and_t_come_near():
    kept = voltage_of_r(BROAD_T.at_rate(RATES, FITTED))
    assert (kept / kept[1] - 1).abs().max() < 0.02
    moved = voltage_of_r(BROAD_T._scaled(RATES, FITTED))
    assert (moved / moved[1] - 1).abs().max() > 0.04, "without which it would not"


def test_waves_at_another_rate_have_a_gradient():
    waves = Waves(*(values.clone().requires_grad_() for values in BROAD_T))
    waves.at_rate(RATES, FITTED).a.square().sum().backward()
    assert all((values.grad != 0).all() for values in (waves.theta, waves.a, waves.b))


@pytest.mark.parametrize("exponents", [ECGSYN, FITTED])
@pytest.mark.parametrize("waves", [WAVES, BROAD_T])
def test_waves_come_back_from_any_rate(waves, exponents):
    for rate in (30.0, 71.0, 200.0):
        at = torch.tensor(rate, dtype=torch.float64)
        back = waves.at_rate(at, exponents).from_rate(at, exponents)
        assert all(torch.allclose(x, y, rtol=1e-9) for x, y in zip(back, waves, strict=True))


def test_an_exponent_of_one_keeps_a_wave_s_time():
    rates = torch.tensor([60.0, 120.0], dtype=torch.float64)
    theta, _, b = WAVES.at_rate(rates, RateExponents(torch.ones(5), torch.ones(5)))
    seconds = theta / omega_of(rates)[:, None], b / omega_of(rates)[:, None]
    assert all(torch.allclose(values[0], values[1]) for values in seconds)


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
