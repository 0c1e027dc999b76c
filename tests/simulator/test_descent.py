import math

import pytest
import torch

from sediff.simulator.beats import POINTS
from sediff.simulator.descent import fit, usual_starts
from sediff.simulator.ode import Waves, omega_of, steady_beat

THETA = torch.tensor([-1.1, -0.22, 0.0, 0.25, 1.6])
B = torch.tensor([0.22, 0.1, 0.12, 0.1, 0.35])


def beats_of(rates):
    """Known beats (n, 8, 128) of the model, each lead higher than the one before."""
    height = torch.tensor([0.1, -0.1, 1.0, -0.2, 0.3]) * torch.linspace(0.5, 1.2, 8)[:, None]
    known = Waves(THETA.expand(len(rates), 8, 5), height * 2 * math.pi / B**2, B.expand(len(rates), 8, 5))
    known = Waves(known.theta, known.a.expand(len(rates), 8, 5), known.b).at_rate(rates[:, None])
    return steady_beat(omega_of(rates)[:, None].expand(len(rates), 8), *known, POINTS)


def test_a_known_beat_is_fitted_at_any_rate():
    rates = torch.tensor([45.0, 60.0, 90.0, 140.0])
    beats = beats_of(rates)
    fitted = fit(beats, rates, usual_starts(beats, rates), 40)
    assert fitted.error.max() < 0.04
    assert (fitted.waves.theta[..., 2].abs() < 0.05).all(), "R stays at 0"
    again = steady_beat(omega_of(rates)[:, None].expand(-1, 8), *fitted.waves.at_rate(rates[:, None]), POINTS)
    assert torch.allclose(
        again - again.mean(-1, keepdim=True), fitted.beats - fitted.beats.mean(-1, keepdim=True), atol=1e-4
    )


def test_three_deflections_of_a_right_block_are_fitted():
    theta = torch.linspace(-math.pi, math.pi, POINTS + 1)[:-1]
    waves = ((-0.1, 0.07, 0.25), (0.16, 0.08, -0.4), (0.45, 0.13, 0.8), (2.1, 0.4, -0.25), (-1.2, 0.2, 0.06))
    beat = sum(height * torch.exp(-0.5 * ((theta - place) / width) ** 2) for place, width, height in waves)
    beats, rates = beat.expand(1, 8, POINTS), torch.tensor([70.0])
    assert fit(beats, rates, usual_starts(beats, rates), 40).error.max() < 0.1


def test_a_fit_does_not_depend_on_what_is_fitted_beside_it(monkeypatch):
    rates = torch.tensor([50.0, 70.0, 100.0])
    beats = beats_of(rates) + 0.02 * torch.randn(3, 8, POINTS, generator=torch.Generator().manual_seed(0))
    whole = fit(beats, rates, usual_starts(beats, rates), 20)
    for chunk in (3, 24):
        monkeypatch.setattr("sediff.simulator.descent.CHUNK", chunk)
        parts = fit(beats, rates, usual_starts(beats, rates), 20)
        assert all(torch.equal(x, y) for x, y in zip(whole.waves, parts.waves, strict=True))


def test_t_ends_where_it_is_known_to_end_and_other_beats_are_fitted_as_before():
    rates = torch.tensor([60.0, 60.0])
    theta = torch.linspace(-math.pi, math.pi, POINTS + 1)[:-1]
    falls_fast = torch.where(theta < 1.7, 0.6, 0.25)  # the width of a T that rises slowly
    t = 0.4 * torch.exp(-0.5 * ((theta - 1.7) / falls_fast) ** 2)
    beats = beats_of(rates) + t
    end = 1.7 + 2.1 * 0.25
    free = fit(beats, rates, usual_starts(beats, rates), 30)
    held = fit(beats, rates, usual_starts(beats, rates), 30, ends={"t_offset": torch.tensor([end, math.nan])})

    def late(fitted):
        waves = fitted.waves.at_rate(rates[:, None])
        return (waves.theta[..., 4] + 2.1 * waves.b[..., 4] - end)[0]

    assert late(free).min() > 0.05, "a bump ends too late"
    assert (late(held).abs() < late(free) / 2).all()
    assert torch.equal(held.beats[1], free.beats[1])


def test_p_is_where_it_is_marked_though_a_baseline_that_rises_before_qrs_would_widen_it():
    rates = torch.tensor([60.0, 60.0])
    theta = torch.linspace(-math.pi, math.pi, POINTS + 1)[:-1]
    rises = 0.06 * torch.exp(-0.5 * ((theta + 0.8) / 0.5) ** 2)
    beats = beats_of(rates) + rises
    onset, offset = THETA[0] - 1.85 * B[0], THETA[0] + 1.7 * B[0]
    ends = {"p_onset": torch.tensor([onset, math.nan]), "p_offset": torch.tensor([offset, math.nan])}
    free = fit(beats, rates, usual_starts(beats, rates), 30)
    held = fit(beats, rates, usual_starts(beats, rates), 30, ends=ends)

    def off(fitted):
        waves = fitted.waves.at_rate(rates[:, None])
        return torch.stack([waves.theta[0, :, 0] - THETA[0], waves.b[0, :, 0] - B[0]]).abs().amax(0)

    assert off(free).min() > 0.05
    assert off(held).max() < 0.02
    assert torch.equal(held.beats[1], free.beats[1])


def test_no_wave_of_qrs_begins_before_it_and_one_that_begins_later_is_left():
    rates = torch.tensor([60.0])
    theta = torch.linspace(-math.pi, math.pi, POINTS + 1)[:-1]
    raised = 0.2 * torch.exp(-0.5 * (theta / 0.3) ** 2)
    onset = (THETA[1:4] - 2.5 * B[1:4]).min()

    def first(fitted):
        waves = fitted.waves.at_rate(rates[:, None])
        return (waves.theta - 2.5 * waves.b)[0, :, 1:4].amin(-1)

    for beats, earlier in ((beats_of(rates) + raised, True), (beats_of(rates), False)):
        free, held = (
            fit(beats, rates, usual_starts(beats, rates), 30, ends=ends)
            for ends in (None, {"qrs_onset": onset.expand(1) - 0.01})
        )
        if earlier:
            assert first(free).max() < onset - 0.2
        else:
            assert torch.allclose(held.beats, free.beats, atol=2e-3)
        assert first(held).min() > onset - 0.05


@pytest.mark.parametrize("level", [0.0, 0.7])
def test_a_constant_lead_has_no_waves(level):
    beats, rates = torch.full((1, 8, POINTS), level), torch.tensor([70.0])
    fitted = fit(beats, rates, usual_starts(beats, rates), 10)
    assert torch.isfinite(fitted.error).all()
    assert torch.allclose(fitted.beats, beats, atol=1e-4)
