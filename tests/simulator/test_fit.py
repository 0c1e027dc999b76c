import math

import torch

from sediff.simulator.fit import POINTS, fit
from sediff.simulator.morphology import Morphology, simulate
from sediff.simulator.ode import scale_with_rate, steady_beat
from sediff.simulator.params import SimulatorParams

THETA = torch.tensor([-1.1, -0.22, 0.0, 0.25, 1.6])
B = torch.tensor([0.22, 0.1, 0.12, 0.1, 0.35])


def test_a_known_beat_is_fitted():
    rates = torch.tensor([60.0, 90.0])
    amplitude = torch.tensor([0.1, -0.1, 1.0, -0.2, 0.3]).expand(2, 8, 5) * torch.linspace(0.5, 1.2, 8)[:, None]
    theta, b = scale_with_rate(THETA.expand(2, 8, 5), B.expand(2, 8, 5), rates[:, None])
    omega = (2 * math.pi * rates / 60)[:, None].expand(2, 8)
    beats = steady_beat(omega, theta, amplitude * omega[..., None] / b**2, b, POINTS)
    _, _, _, fitted = fit(beats, rates, SimulatorParams(steps=500))
    error = ((fitted - beats) ** 2).mean(-1) / beats.var(-1)
    assert error.sqrt().max() < 0.06


def test_the_rarest_statement_with_a_fit_stands_for_a_record():
    zeros = torch.zeros(3, 8, 5)
    morphology = Morphology(("*", "SR", "CLBBB"), (100, 80, 9), zeros, zeros, zeros + 0.1)
    assert morphology.statement_of([["CLBBB", "SR"], ["SR"], ["XYZ"], []]) == ["CLBBB", "SR", "*", "*"]


def test_simulated_records_follow_their_rhythm():
    import numpy as np

    from sediff.beats import find_r_peaks

    waves = (THETA.expand(1, 8, 5), torch.tensor([1.0, -4.0, 40.0, -8.0, 1.5]).expand(1, 8, 5), B.expand(1, 8, 5))
    peaks = np.arange(-0.5, 12, 0.75)
    x = simulate(waves, [peaks], [80.0]).numpy()
    (found,) = find_r_peaks(x)
    wanted = peaks[(peaks > 0.1) & (peaks < 9.9)]
    assert len(found) == len(wanted)
    assert np.abs(found - wanted).max() < 0.03
