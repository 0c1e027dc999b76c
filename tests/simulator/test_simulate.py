import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sediff.beats import find_r_peaks
from sediff.simulator.course import Course, sample_course
from sediff.simulator.ode import Waves
from sediff.simulator.rhythm import NORMAL, SINUS, VENTRICULAR, Beats
from sediff.simulator.simulate import simulate

THETA = torch.tensor([-1.1, -0.22, 0.0, 0.25, 1.6])
B = torch.tensor([0.22, 0.1, 0.12, 0.1, 0.35])
HEIGHT = torch.tensor([0.1, -0.1, 1.0, -0.2, 0.3])


def waves(theta=THETA, b=B, height=HEIGHT, rate=60.0, records=1):
    a = height * (2 * math.pi * rate / 60) / b**2
    return Waves(*(values.expand(records, 8, 5) for values in (theta, a, b)))


def course(r_peaks, kinds=None, p_waves=None):
    r_peaks = np.asarray(r_peaks, float)
    kinds = np.full(len(r_peaks), NORMAL) if kinds is None else np.array(kinds)
    return Course(r_peaks, kinds, r_peaks if p_waves is None else np.asarray(p_waves, float), np.empty(0))


def test_narrow_waves_on_an_irregular_rhythm_agree_with_a_tight_solver():
    peaks = np.array([-1.2, -0.3, 0.6, 1.1, 2.2, 2.9, 4.1, 4.6, 5.7, 6.3, 7.4, 8.2, 8.7, 9.9, 10.6])
    narrow = waves(b=torch.tensor([0.25, 0.04, 0.04, 0.04, 0.4]))
    z = simulate(narrow, narrow, [course(peaks)], torch.tensor([60.0]))[0, 0].double().numpy()
    theta_i, a_i, b_i = (values[0, 0].double().numpy() for values in narrow)

    def slope(t, z):
        # f_z with each beat's waves at their own time, summed over all beats.
        offset = 2 * math.pi * (t - peaks[:, None]) - theta_i
        return -(a_i * offset * np.exp(-0.5 * (offset / b_i) ** 2)).sum() - z

    time = np.arange(400) / 100
    tight = solve_ivp(slope, (0, 4), [z[0]], t_eval=time, rtol=1e-10, atol=1e-12, max_step=0.004).y[0]
    assert np.abs(z[:400] - tight).max() < 3e-3 * np.abs(tight).max()


def test_500_hz_and_100_hz_agree():
    rng = np.random.default_rng(0)
    drawn = [sample_course(Beats(SINUS, 0.05), 70, rng) for _ in range(4)]
    four, rates = waves(records=4, rate=70.0), torch.full((4,), 70.0)
    fine, coarse = (simulate(four, four, drawn, rates, rate) for rate in (500, 100))
    assert (fine[..., ::5] - coarse).abs().max() < 2e-3 * fine.abs().max()


def test_a_pause_stretches_no_wave():
    one = waves()
    regular, paused = (
        simulate(one, one, [course(peaks)], torch.tensor([60.0]))[0, 0, 300:550]
        for peaks in (np.arange(-2.0, 13), np.array([-2, -1, 0, 1, 2, 3, 4, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5]))
    )
    assert (regular[:150] - paused[:150]).abs().max() < 0.02, "up to T's end"
    assert paused[180:].max() - paused[180:].min() < 0.06, "then rest"


def test_p_waves_come_when_they_like():
    peaks, p_waves = np.arange(-1.0, 13, 1.5), np.arange(-1.0, 13, 0.8)
    only_p = waves(height=torch.tensor([0.2, 0.0, 0.0, 0.0, 0.0]))
    z = simulate(only_p, only_p, [course(peaks, p_waves=p_waves)], torch.tensor([60.0]))[0, 0].numpy()
    tops = np.flatnonzero((z[1:-1] > z[:-2]) & (z[1:-1] >= z[2:]) & (z[1:-1] > 0.05)) + 1
    wanted = p_waves + THETA[0].item() / (2 * math.pi)
    wanted = wanted[(wanted > 0.1) & (wanted < 9.9)]
    assert tops / 100 == pytest.approx(wanted, abs=0.02)


def test_without_p_waves_there_are_none():
    only_p = waves(height=torch.tensor([0.2, 0.0, 0.0, 0.0, 0.0]))
    z = simulate(only_p, only_p, [course(np.arange(-1.0, 13), p_waves=[])], torch.tensor([60.0]))
    assert z.abs().max() < 1e-12


def test_ventricular_beats_have_their_own_waves_and_no_other_beat_has():
    peaks = np.arange(-2.0, 13)
    kinds = [VENTRICULAR if peak == 5 else NORMAL for peak in peaks]
    wide = waves(b=2 * B, height=-HEIGHT)
    one = waves()
    mixed, plain = (simulate(one, wide, [course(peaks, marks)], torch.tensor([60.0]))[0, 0] for marks in (kinds, None))
    assert mixed[500] < -0.7
    assert plain[500] > 0.7
    apart = np.abs(np.arange(1000) / 100 - 5) > 1
    assert (mixed - plain)[torch.from_numpy(apart)].abs().max() < 0.15, "but for the slow part of the solution"


def test_a_record_does_not_depend_on_those_beside_it():
    rng = np.random.default_rng(0)
    drawn = [sample_course(Beats(SINUS, 0.05), rate, rng) for rate in np.linspace(45, 140, 40)]
    many, rates = waves(records=40), torch.full((40,), 60.0)
    together = simulate(many, many, drawn, rates)
    alone = simulate(many.rows(slice(7, 8)), many.rows(slice(7, 8)), drawn[7:8], rates[7:8])
    assert torch.equal(together[7:8], alone)


def test_simulated_records_follow_their_rhythm():
    peaks = np.arange(-0.5, 12, 0.75)
    one = waves(rate=80.0)
    (found,) = find_r_peaks(simulate(one, one, [course(peaks)], torch.tensor([80.0])).numpy())
    wanted = peaks[(peaks > 0.1) & (peaks < 9.9)]
    assert len(found) == len(wanted)
    assert np.abs(found - wanted).max() < 0.03
