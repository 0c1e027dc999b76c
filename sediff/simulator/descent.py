"""Fit McSharry's waves to steady beats: Levenberg-Marquardt on all beats and leads at once.

At a constant rate the model's beat is a sum of five bumps, filtered (`ode.relax_periodic`). The filter is undone on
the wanted beat, so that each lead is a small least-squares problem of its own: places, log-widths and heights of
five bumps and a level. A lead's fit does not depend on what is fitted beside it.

A lead's misfit alone does not say when P begins and T ends. A real T wave falls faster than it rises, and a bump that
lies in between ends too late; where a lead shows no P wave, slow bumps fit what its baseline does before QRS. So ends
that are known from the delineation, of all leads at once, are held (`ENDS`).
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from sediff.simulator.ode import ECGSYN, WAVES, RateExponents, Waves, omega_of, restore_periodic, steady_beat, wrap

P, T = WAVES.index("P"), WAVES.index("T")
# Each pairing of these is a start, with Q and S as the beat has them and with both pointing down.
START_PLACES = ((-1.2, -0.2, 0.0, 0.2, 1.7), (-1.2, -0.1, 0.15, 0.45, 1.9))  # at 60 bpm: usual; rSR′ of a right block
START_WIDTHS = ((0.25, 0.07, 0.07, 0.07, 0.4), (0.2, 0.05, 0.06, 0.05, 0.3))
# rad: a bump is no spike and no drift.
NARROWEST = 0.03
WIDEST = (0.5, 0.5, 0.5, 0.5, 0.8)
STAY = 1e-3  # weight of a wave's distance from where it started, or waves would trade roles between leads
# Mark, wave, and widths from the wave's middle to where a beat of the model is marked: P where it has sunk to a share
# of its height (`delineation.waves.P_START`, `P_END`), T where its slope has to one of its fastest (`T_END`). QRS
# begins with the first of its waves, so none of them may begin earlier: that is a limit, which holds from one side.
ENDS = (
    ("p_onset", P, -1.85, False),
    ("p_offset", P, 1.7, False),
    *(("qrs_onset", wave, -2.5, True) for wave in range(P + 1, T)),
    ("t_offset", T, 2.1, False),
)
HOLD = 1.0  # weight of the distance of an end from where it is known to be
KEEP = 1e-4  # weight of the distance of a log-width from where it started
SMALL = 1e-5  # weight of a bump's height over the lead's deviation, or two would cancel each other
CHUNK = 1024  # leads fitted at once; memory, no result, depends on it
SMALLEST_LEAD = 0.01  # mV of deviation: a flat lead is not raised to the others
FIRST_DAMPING, LESS, MORE = 1e-2, 0.3, 4.0
LONGEST_STEP = 0.4  # rad of a place, and of a log-width


class Fit(NamedTuple):
    """Waves at 60 bpm (n, 8, 5), the model's beats (n, 8, points) in mV, and RMS misfit over deviation, (n, 8)."""

    waves: Waves
    beats: Tensor
    error: Tensor

    def row(self, index: int) -> tuple[Tensor, Tensor]:
        """Beat and error of one."""
        return self.beats[index], self.error[index]


def usual_starts(beats: Tensor, heart_rates: Tensor, exponents: RateExponents = ECGSYN) -> list[Waves]:
    """Starts of a fit that knows nothing but the beats (n, 8, points): waves at 60 bpm, each (n, 8, 5)."""
    points = beats.shape[-1]
    centred = beats - beats.median(-1, keepdim=True).values
    omega = omega_of(heart_rates)[:, None]
    starts = []
    for places in map(torch.tensor, START_PLACES):
        for widths in map(torch.tensor, START_WIDTHS):
            waves = Waves(*(v.expand(*beats.shape[:-1], -1) for v in (places, torch.ones(len(WAVES)), widths)))
            theta, _, b = waves.at_rate(heart_rates[:, None], exponents)
            index = ((theta / (2 * math.pi) + 0.5) * points).round().long() % points
            upright = centred.gather(-1, index)
            downward = upright.clone()
            downward[..., [1, 3]] = -0.15 * (beats.amax(-1) - beats.amin(-1))[..., None]
            for height in (upright, downward):
                start = Waves(theta, height * omega[..., None] / b**2, b)
                starts.append(start.from_rate(heart_rates[:, None], exponents))
    return starts


def fit(
    beats: Tensor,
    heart_rates: Tensor,
    starts: list[Waves],
    steps: int,
    exponents: RateExponents = ECGSYN,
    ends: Mapping[str, Tensor] | None = None,
) -> Fit:
    """Fit waves to steady beats from several starts; of each lead the best is kept.

    Args:
        beats: (n, 8, points) in mV, θ from −π.
        heart_rates: (n,), bpm.
        starts: waves at 60 bpm, each (n, 8, 5).
        steps: of Levenberg-Marquardt.
        exponents: how waves change with rate.
        ends: θ of those marks of `ENDS` that are known, each (n,), NaN where it is not.
    """
    rates = heart_rates[:, None].expand(beats.shape[:-1])
    omega = omega_of(rates)
    wanted = restore_periodic(beats - beats.mean(-1, keepdim=True), omega).flatten(0, 1)
    scale = beats.std(-1, correction=0).clamp(min=SMALLEST_LEAD).flatten()
    candidates = []
    for start in starts:
        theta, a, b = start.at_rate(rates, exponents)
        height = Waves(theta, a, b).heights(omega) / scale.view_as(omega)[..., None]
        bumps = torch.cat([theta, _bounded(b.log()), height, torch.zeros_like(omega)[..., None]], -1)
        candidates.append(bumps.flatten(0, 1))
    nowhere = beats.new_full(beats.shape[:1], math.nan)
    held = torch.stack([(ends or {}).get(name, nowhere).to(beats) for name, *_ in ENDS], -1)
    targets = torch.cat([wanted / scale[:, None], held.repeat_interleave(beats.shape[1], 0)], -1)
    parts = [
        _best(targets[i : i + CHUNK], [c[i : i + CHUNK] for c in candidates], steps)
        for i in range(0, len(targets), CHUNK)
    ]
    theta, log_b, height = torch.cat(parts)[:, :-1].view(*beats.shape[:-1], 3, len(WAVES)).unbind(-2)
    b = log_b.exp()
    a = height * scale.view_as(omega)[..., None] * omega[..., None] / b**2
    fitted = steady_beat(omega, theta, a, b, beats.shape[-1])
    fitted = fitted + (beats - fitted).mean(-1, keepdim=True)
    deviation = beats.std(-1, correction=0).clamp(min=1e-3)
    error = (beats - fitted).square().mean(-1).sqrt() / deviation
    return Fit(Waves(theta, a, b).from_rate(rates, exponents), fitted, error)


def _best(wanted: Tensor, starts: list[Tensor], steps: int) -> Tensor:
    """The end of the start that ends best, (n, 16)."""
    ends = [_levenberg_marquardt(wanted, start, steps) for start in starts]
    best = torch.stack([cost for _, cost in ends]).argmin(0)
    return torch.stack([end for end, _ in ends])[best, torch.arange(len(wanted))]


def _levenberg_marquardt(wanted: Tensor, start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Minimise the misfit to targets (n, points + ends) from (n, 16): where it stops, and its cost (n,)."""
    points = wanted.shape[-1] - len(ENDS)
    prior = torch.zeros(start.shape[-1])
    prior[:5], prior[5:10], prior[10:15] = STAY, KEEP, SMALL
    home = start.clone()
    home[:, 10:] = 0

    def cost_of(misfit: Tensor, at: Tensor) -> Tensor:
        return misfit.square().sum(-1) / points + (prior * (at - home) ** 2).sum(-1)

    now, damping = start, torch.full((len(start),), FIRST_DAMPING)
    misfit, slopes = _linearised(wanted, now)
    cost = cost_of(misfit, now)
    for _ in range(steps):
        normal = slopes @ slopes.mT / points + torch.diag(prior)
        gradient = (slopes @ misfit[..., None])[..., 0] / points + prior * (now - home)
        diagonal = normal.diagonal(dim1=-2, dim2=-1)
        damped = normal + torch.diag_embed(damping[:, None] * diagonal + 1e-7)
        move = torch.linalg.solve(damped, -gradient)
        move[:, :10] = move[:, :10].clamp(-LONGEST_STEP, LONGEST_STEP)
        tried = now + move
        tried[:, 5:10] = _bounded(tried[:, 5:10])
        new_misfit, new_slopes = _linearised(wanted, tried)
        new_cost = cost_of(new_misfit, tried)
        better = new_cost < cost
        now = torch.where(better[:, None], tried, now)
        misfit = torch.where(better[:, None], new_misfit, misfit)
        slopes = torch.where(better[:, None, None], new_slopes, slopes)
        cost = torch.where(better, new_cost, cost)
        damping = torch.where(better, damping * LESS, damping * MORE).clamp(1e-6, 1e6)
    return now, cost


def _linearised(wanted: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Misfit (n, points + ends) of five bumps and a level (n, 16), and its derivatives (n, 16, points + ends).

    `wanted` is a beat and the θ of its ends; the last misfits are those of the ends.
    """
    points = wanted.shape[-1] - len(ENDS)
    phase = torch.arange(points) * (2 * math.pi / points) - math.pi
    theta, log_b, height = at[:, :-1].view(len(at), 3, len(WAVES), 1).unbind(1)
    offset = wrap(phase - theta) * (-log_b).exp()  # in widths
    bump = torch.exp(-0.5 * offset**2)
    slope = height * bump * offset
    slopes = torch.cat([slope * (-log_b).exp(), slope * offset, bump, torch.ones(len(at), 1, points)], 1)
    misfit = (height * bump).sum(1) + at[:, -1:] - wanted[:, :points]
    off, off_slopes = _off_ends(wanted[:, points:], theta[..., 0], log_b[..., 0], math.sqrt(HOLD * points))
    return torch.cat([misfit, off], -1), torch.cat([slopes, off_slopes], -1)


def _off_ends(wanted: Tensor, theta: Tensor, log_b: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """How far ends are off, times the weight, (n, ends), 0 where they are not known; derivatives (n, 16, ends)."""
    off, slopes = torch.zeros_like(wanted), wanted.new_zeros(len(wanted), 3 * len(WAVES) + 1, len(ENDS))
    for end, (_, wave, widths, limit) in enumerate(ENDS):
        tail = widths * log_b[:, wave].exp()
        away = theta[:, wave] + tail - wanted[:, end]
        counts = weight * (away < 0 if limit else away.isfinite())  # of NaN neither is true
        off[:, end] = counts * away.nan_to_num()
        slopes[:, wave, end], slopes[:, len(WAVES) + wave, end] = counts, counts * tail
    return off, slopes


def _bounded(log_b: Tensor) -> Tensor:
    """Log-widths (..., 5) within their bounds."""
    return log_b.clamp(math.log(NARROWEST)).minimum(torch.tensor(WIDEST).log())
