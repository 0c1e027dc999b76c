"""T's end in the simulator's records, as the delineator marks it."""

import numpy as np
import torch

from sediff.simulator.ends import marked_t_ends
from sediff.simulator.fit import fit_with_ends
from sediff.simulator.ode import ECGSYN, Waves, omega_of, steady_beat

RATES = torch.tensor([60.0, 75.0, 90.0])
THETA, WIDTH = torch.tensor([-1.3, -0.22, 0.0, 0.22, 1.8]), torch.tensor([0.16, 0.06, 0.07, 0.06, 0.3])
HEIGHT = torch.tensor([0.15, -0.1, 1.2, -0.25, 0.35])
SIZES = torch.tensor([0.8, 1.0, 0.6, 0.9, 1.2, 1.3, 1.1, 0.9])
LATER = 0.25  # rad


def waves(later: float = 0.0) -> Waves:
    """Of one beat at each of `RATES`, its T later by so much: each (3, 8, 5)."""
    theta = THETA + later * torch.tensor([0, 0, 0, 0, 1.0])
    a = HEIGHT * SIZES[:, None] * omega_of(RATES)[:, None, None] / WIDTH**2
    return Waves(theta.expand(3, 8, 5), a, WIDTH.expand(3, 8, 5))


def test_the_mark_goes_with_t_and_lies_behind_it():
    first, second = (marked_t_ends(waves(later), RATES) for later in (0.0, LATER))
    assert torch.allclose(second - first, torch.tensor(LATER), atol=0.03)
    assert ((first > THETA[-1] + WIDTH[-1]) & (first < THETA[-1] + 3 * WIDTH[-1])).all()


def test_nothing_ends_in_a_flat_record():
    theta, a, b = waves()
    assert marked_t_ends(Waves(theta, 0 * a, b), RATES).isnan().all()


def test_a_fit_s_t_ends_where_the_records_do_though_the_class_s_beat_ends_later():
    """A class's median beat is of records of all rates, which widens its T."""
    omega = omega_of(RATES)[:, None]
    spread = [steady_beat(omega, *waves(later), 128) for later in np.linspace(-0.5, 0.5, 11)]
    beats = torch.stack(spread).mean(0)
    ends = marked_t_ends(waves(), RATES)
    fitted = fit_with_ends(beats, RATES, ends, ECGSYN, 25)
    at = fitted.waves.at_rate(RATES[:, None], ECGSYN)
    off = 1000 * (marked_t_ends(at, RATES) - ends) / omega_of(RATES)
    assert off.abs().max() < 4, "ms"
    assert fitted.error.max() < 0.3
