"""Records of the model alone: waves of each beat along a course, solved for the lead's voltage.

Each sample sees the nearest P wave, QRS and T wave. At a regular rhythm that is the wrapped phase of the model; at an
irregular one ω stays the record's own, so that a pause or an early beat changes no wave's duration, and P waves may
come when they like.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.ecg import DURATION, SAMPLING_RATE
from sediff.simulator.course import Course
from sediff.simulator.ode import WAVES, Waves, omega_of, relax
from sediff.simulator.rhythm import VENTRICULAR

BATCH = 64  # records at once: what one operation touches stays in the cache
LOWEST = -40.0  # where a wave's exponent ends: smaller numbers are slow, for they underflow
FAR = 1e4  # s: where events lie that a shorter row has not
P, T = WAVES.index("P"), WAVES.index("T")
QRS = range(P + 1, T)


def simulate(
    waves: Waves,
    ventricular: Waves,
    courses: Sequence[Course],
    heart_rates: Tensor,
    rate: int = SAMPLING_RATE,
) -> Tensor:
    """Solve the model for many records.

    Args:
        waves: of normal and atrial beats, at each record's rate, each (records, 8, 5).
        ventricular: of ventricular ectopic beats, likewise.
        courses: when each record beats.
        heart_rates: bpm, (records,): θ runs at this rate during a beat.
        rate: of the samples, Hz.

    Returns:
        (records, 8, 10 s of samples) in mV.
    """
    time = torch.arange(round(DURATION * rate), dtype=torch.float64) / rate
    parts = []
    for start in range(0, len(courses), BATCH):
        rows = slice(start, start + BATCH)
        bumps = _bumps(waves.rows(rows), ventricular.rows(rows), courses[rows], omega_of(heart_rates[rows]), time)
        parts.append(relax(bumps, 1 / rate))
    return torch.cat(parts)


def _bumps(waves: Waves, ventricular: Waves, courses: Sequence[Course], omega: Tensor, time: Tensor) -> Tensor:
    """The bumps whose derivative is the forcing, (records, 8, n) in mV."""
    centres = waves.theta.mean(1).double() / omega[:, None]  # s after R, of each wave over the leads
    p_waves, r_peaks = (_padded([getattr(course, name) for course in courses]) for name in ("p_waves", "r_peaks"))
    wide = _padded([course.kinds == VENTRICULAR for course in courses], fill=False)
    since_r, qrs_beat = _since(r_peaks, torch.zeros(len(courses)), time)
    since_t, t_beat = _since(r_peaks, centres[:, T], time)
    beats = {**dict.fromkeys(QRS, since_r), T: since_t}
    total = _sum({P: _since(p_waves, centres[:, P], time)[0]}, waves, omega)
    if not wide.any():
        return total + _sum(beats, waves, omega)
    ectopic = {wave: wide.gather(1, t_beat if wave == T else qrs_beat) for wave in beats}
    far = torch.tensor(FAR, dtype=waves.b.dtype)
    for of, when in ((waves, False), (ventricular, True)):
        own = {wave: torch.where(ectopic[wave] == when, values, far) for wave, values in beats.items()}
        total = total + _sum(own, of, omega)
    return total


def _sum(seconds: dict[int, Tensor], waves: Waves, omega: Tensor) -> Tensor:
    """Σ a·b²/ω exp(−(ωu − θ)² / 2b²) of some waves, u (records, n) in s since the beat: (records, 8, n) in mV."""
    height = waves.heights(omega[:, None])
    steepness = omega[:, None, None] / (waves.b * 2**0.5)
    shift = waves.theta / (waves.b * 2**0.5)
    some = next(iter(seconds.values()))
    total = height.new_zeros(*height.shape[:-1], some.shape[-1])
    for wave, values in seconds.items():
        # A first argument of full size, for one that is broadcast makes addcmul slow; then in place, in the cache.
        bump = (-shift[..., wave, None]).expand_as(total).contiguous()
        bump.addcmul_(values[:, None], steepness[..., wave, None])
        bump.mul_(bump).neg_().clamp_(min=LOWEST).exp_()
        total.addcmul_(height[..., wave, None], bump)
    return total


def _since(events: Tensor, centre: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Seconds since the event whose wave is nearest, and which event it is: both (records, n).

    Args:
        events: in s, rising, (records, k).
        centre: s from an event to its wave, (records,).
        time: (n,).
    """
    between = (events[:, 1:] + events[:, :-1]) / 2 + centre[:, None]
    index = torch.searchsorted(between.contiguous(), time.expand(len(events), -1).contiguous())
    return (time - events.gather(1, index)).to(torch.get_default_dtype()), index


def _padded(rows: Sequence[NDArray], fill: float = FAR) -> Tensor:
    """Rows of several lengths as one tensor; none is empty afterwards."""
    padded = np.full((len(rows), max(1, *map(len, rows))), fill, rows[0].dtype)
    for values, row in zip(padded, rows, strict=True):
        values[: len(row)] = row
    return torch.from_numpy(padded)
