"""Where T ends in the simulator's records, as the delineator marks it in real ones."""

import numpy as np
import torch
from torch import Tensor

from sediff.delineation import delineate
from sediff.ecg import DURATION, SAMPLING_RATE, to_microvolts, to_millivolts, twelve_leads
from sediff.simulator.course import Course
from sediff.simulator.ode import Waves, omega_of
from sediff.simulator.rhythm import NORMAL
from sediff.simulator.simulate import simulate


def marked_t_ends(waves: Waves, heart_rates: Tensor) -> Tensor:
    """θ at which T's end is marked in a regular record of each of some beats: (n,); NaN where none is.

    Args:
        waves: at their rates, each (n, 8, 5).
        heart_rates: bpm, (n,).
    """
    ends = [_marked_t_end(waves.rows(slice(row, row + 1)), rate) for row, rate in enumerate(heart_rates.tolist())]
    return torch.tensor(ends) * omega_of(heart_rates)


def _marked_t_end(waves: Waves, heart_rate: float) -> float:
    """Of one beat, in s after R."""
    peaks = np.arange(0.5 - 120 / heart_rate, DURATION + 2.0, 60 / heart_rate)
    course = Course(peaks, np.full(len(peaks), NORMAL), peaks, np.empty(0))
    x = to_microvolts(simulate(waves, waves, [course], torch.tensor([heart_rate]))[0].numpy())
    if not np.ptp(x, axis=-1).any():  # the fit to a class of flat records
        return float("nan")
    inside = peaks[(peaks > 0) & (peaks < DURATION)]
    ends = delineate(to_millivolts(twelve_leads(x)), SAMPLING_RATE, inside).t_offset - inside
    known = ends[np.isfinite(ends)]
    return float(np.median(known)) if len(known) else float("nan")
