"""Judge (b): learns waveforms without labels, by telling which two halves belong to one record."""

import math
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sediff.encoder.judge import in_batches
from sediff.encoder.network import FEATURES, EcgNetwork
from sediff.layers import read_network, write_network

PROJECTED = 64
# How halves are disturbed, so that they are not told by what is no ECG: a common gain, noise and baseline in mV, leads
# that are off.
GAIN, NOISE, BASELINE, LEADS_OFF = math.log(1.1), 0.02, 0.05, 0.1


class WaveformJudge(nn.Module):
    """Features (batch, 64), and their projection (batch, 64), in which halves of one record are close."""

    name = "waveform"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.config = {"width": width}
        self.network = EcgNetwork(width)
        # The loss is taken of a projection, which the features need not suffer (Chen et al. 2020).
        self.projection = nn.Sequential(nn.GELU(), nn.Linear(FEATURES, PROJECTED))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, 8, samples) in mV to projections (batch, 64)."""
        return self.projection(self.network(x))

    def features(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features of signals (n, 8, samples) in mV: (n, 64)."""
        return in_batches(self.network, signals)

    def projections(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Projections of signals (n, 8, samples) in mV: (n, 64)."""
        return in_batches(self, signals)

    def save(self, folder: Path) -> None:
        """Write `waveform.safetensors` and `waveform.json`."""
        write_network(self, self.config, folder, self.name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        return read_network(cls, folder, cls.name)


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last 5 s: (batch, 8, 1000) to twice (batch, 8, 500)."""
    first, last = x.chunk(2, dim=-1)
    return first.contiguous(), last.contiguous()


def disturbed(x: Tensor, rng: torch.Generator) -> Tensor:
    """Signals (batch, 8, samples) in mV as another recording might have them."""
    batch, leads, _ = x.shape
    gain = (GAIN * torch.randn(batch, 1, 1, generator=rng)).exp().to(x.device)
    offset = (BASELINE * torch.randn(batch, leads, 1, generator=rng)).to(x.device)
    noise = (NOISE * torch.randn(x.shape, generator=rng)).to(x.device)
    on = (torch.rand(batch, leads, 1, generator=rng) > LEADS_OFF).to(x.device)
    return (gain * x + offset + noise) * on
