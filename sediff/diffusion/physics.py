"""The simulator's word on a beat: L_Euler and L_interlead (SE-Diff, part 3).

Both compare the slope of a beat h with a slope that it should have, in the paper McSharry's vector field f_z; which
one, `physics_forms.py` says. Leads are the eight independent ones, or all twelve, each of them free.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sediff.ecg import LEADS, SAMPLING_RATE
from sediff.simulator.ode import vector_field

LIMB = 6  # leads
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
    """Morphology η of each record and lead: each (batch, leads, 5)."""

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


def field(beat: Tensor, phase: Tensor, waves: Waves) -> Tensor:
    """f_z of z (batch, leads, samples) in mV at θ (batch, samples): (batch, leads, samples) in mV/s."""
    return vector_field(beat, phase[:, None], waves.theta, waves.a, waves.b)


def euler_loss(slope: Tensor, vector: Tensor, inside: Tensor) -> Tensor:
    """L_Euler of each record: mean over leads and samples of (slope − f_z)², (batch,) in (mV/s)².

    `slope` and `vector` are (batch, leads, samples); `inside` (batch, samples) is 1 where the beat is.
    """
    return _mean_inside((slope - vector) ** 2, inside)


def interlead_loss(slope: Tensor, vector: Tensor, inside: Tensor) -> Tensor:
    """L_interlead of each record: slope of the child lead against the parents' fields, (batch,) in (mV/s)².

    `slope` and `vector` are (batch, leads, samples). Of twelve leads the six limb leads are taken as they are, as in
    the paper. Of eight they follow from I and II, and this is 3.5 r_I² − 3.5 r_I r_II + 3.5 r_II² in the residuals r.
    """
    children, parents = _limb(slope), _limb(vector)
    errors = [children[:, y] - c1 * parents[:, p] - c2 * parents[:, q] for y, p, q, c1, c2 in IDENTITIES]
    return len(IDENTITIES) * _mean_inside(torch.stack(errors, dim=1) ** 2, inside)


def _mean_inside(x: Tensor, inside: Tensor) -> Tensor:
    """Mean of x (batch, leads, samples) over leads and the beat's own samples: (batch,)."""
    return (x.mean(1) * inside).sum(-1) / inside.sum(-1)


def _limb(x: Tensor) -> Tensor:
    """All six limb leads of (batch, leads, samples): the first of twelve, or made of I and II."""
    if x.shape[1] == len(LEADS):
        return x[:, :LIMB]
    i, ii = x[:, 0], x[:, 1]
    return torch.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2], dim=1)
