"""The simulator's word on a beat: L_Euler and L_interlead (SE-Diff, part 3).

Both compare the slope of h = D_beat(ẑ) with McSharry's vector field f_z of the record's class. They are
divided by the mean square slope of real beats, so their weights have no unit.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid
from sediff.ecg import SAMPLING_RATE
from sediff.simulator.ode import vector_field

# y = c1·p + c2·q, with limb leads in the order I, II, III, aVR, aVL, aVF.
IDENTITIES = (
    (0, 1, 2, 1.0, -1.0),  # I = II − III
    (1, 0, 2, 1.0, 1.0),  # II = I + III
    (2, 1, 0, 1.0, -1.0),  # III = II − I
    (3, 0, 1, -0.5, -0.5),  # aVR = −(I + II) / 2
    (4, 0, 2, 0.5, -0.5),  # aVL = (I − III) / 2
    (5, 1, 2, 0.5, 0.5),  # aVF = (II + III) / 2
)


@dataclass(frozen=True)
class Waves:
    """Morphology η of each record and lead, scaled to its heart rate: each (batch, 8, 5)."""

    theta: Tensor
    a: Tensor
    b: Tensor

    def rows(self, index: Tensor) -> "Waves":
        """The waves of some records."""
        return Waves(self.theta[index], self.a[index], self.b[index])

    def to(self, device: torch.device) -> "Waves":
        """The same on another device."""
        return Waves(self.theta.to(device), self.a.to(device), self.b.to(device))


def slopes(beat: Tensor) -> Tensor:
    """(h[l+1] − h[l]) / Δt of beats (batch, leads, 96) in mV: (batch, leads, 95) in mV/s."""
    return beat.diff(dim=-1) * SAMPLING_RATE


def field(beat: Tensor, grid: BeatGrid, waves: Waves) -> Tensor:
    """f_z along beats (batch, 8, 96) in mV, at the first 95 samples: (batch, 8, 95) in mV/s."""
    return vector_field(beat[..., :-1], grid.phase()[:, None, :-1], waves.theta, waves.a, waves.b)


def euler_loss(slope: Tensor, vector: Tensor, inside: Tensor) -> Tensor:
    """L_Euler of each record: mean over leads and samples of (slope − f_z)², (batch,) in (mV/s)².

    `slope` and `vector` are (batch, leads, samples); `inside` (batch, samples) is 1 where the beat is.
    """
    return _mean_inside((slope - vector) ** 2, inside)


def interlead_loss(slope: Tensor, vector: Tensor, inside: Tensor) -> Tensor:
    """L_interlead of each record: slope of the child lead against the parents' fields, (batch,) in (mV/s)².

    `slope` and `vector` hold I and II first, (batch, leads, samples); where only the eight independent
    leads are free, the other limb leads follow from these two.
    """
    children, parents = _limb(slope), _limb(vector)
    errors = [children[:, y] - c1 * parents[:, p] - c2 * parents[:, q] for y, p, q, c1, c2 in IDENTITIES]
    return len(IDENTITIES) * _mean_inside(torch.stack(errors, dim=1) ** 2, inside)


def _mean_inside(x: Tensor, inside: Tensor) -> Tensor:
    """Mean of x (batch, leads, samples) over leads and the beat's own samples: (batch,)."""
    return (x.mean(1) * inside).sum(-1) / inside.sum(-1)


def _limb(x: Tensor) -> Tensor:
    """I, II of (batch, leads, samples) to all six limb leads."""
    i, ii = x[:, 0], x[:, 1]
    return torch.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2], dim=1)
