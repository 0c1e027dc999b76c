"""Where the P and the T wave of a beat lie, apart from their shapes.

In principal components of beats a wave that comes early and one that comes late are two sums, and what lies between
them is one wave as wide as both. So these waves are moved to where they usually are, and by how much counts for itself.
"""

import torch
from torch import Tensor

from sediff.diffusion.simulated import BUMP_R, BUMP_SAMPLES, RATE

PLACED = (0, 2)  # P and T, of P, QRS and T
FLAT = 1e-4  # mV², summed over leads and samples: what has less is no wave, and is nowhere


def middles(bumps: Tensor) -> Tensor:
    """The middle of each wave's energy over the leads, s after R, (n, 2); NaN where there is no wave.

    Args:
        bumps: (n, 3, 8, 220) in mV.
    """
    energy = bumps[:, PLACED].square().sum(2)
    whole = energy.sum(-1)
    tau = (torch.arange(BUMP_SAMPLES, device=bumps.device) - BUMP_R) / RATE
    return torch.where(whole > FLAT, (energy * tau).sum(-1) / whole.clamp(min=FLAT), torch.nan)


def moved(bumps: Tensor, by: Tensor) -> Tensor:
    """The same bumps, whose P and T come later by so many s, (n, 2); nothing comes in from beyond the edges."""
    waves = bumps[:, PLACED]
    place = torch.arange(BUMP_SAMPLES, device=bumps.device) - by[..., None] * RATE
    left = place.floor()
    share = (place - left)[:, :, None]

    def at(index: Tensor) -> Tensor:
        inside = (index >= 0) & (index < BUMP_SAMPLES)
        taken = index.clamp(0, BUMP_SAMPLES - 1)[:, :, None].expand_as(waves)
        return waves.gather(-1, taken) * inside[:, :, None]

    result = bumps.clone()
    result[:, PLACED] = torch.lerp(at(left.long()), at(left.long() + 1), share)
    return result
