"""Judge (a): a classifier of statements and superclasses, trained on records that the conditioner never sees."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sediff.ecg import SAMPLING_RATE
from sediff.encoder.network import FEATURES, EcgNetwork
from sediff.layers import read_network, write_network
from sediff.vocabulary import SUPERCLASSES

BATCH = 256
GAIN = 0.1  # deviation of a training signal's gain


class Judge(nn.Module):
    """Features (batch, 64), and logits of the statements it learned and of the five superclasses."""

    name = "statement"

    def __init__(self, codes: Sequence[str], width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.codes = tuple(codes)
        self.config = {"codes": list(codes), "width": width}
        self.network = EcgNetwork(width, dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(FEATURES, len(self.codes) + len(SUPERCLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, 8, 1000) in mV to logits (batch, statements + 5)."""
        return self.head(self.dropout(nn.functional.gelu(self.network(x))))

    def features(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features of signals (n, 8, 1000) in mV: (n, 64)."""
        return in_batches(self.network, signals)

    def probabilities(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each of `codes` for signals (n, 8, 1000) in mV: (n, statements)."""
        return self.all_probabilities(signals)[:, : len(self.codes)]

    def all_probabilities(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same, and the probability of each superclass: (n, statements + 5)."""
        return in_batches(lambda x: self(x).sigmoid(), signals)

    def save(self, folder: Path) -> None:
        """Write `statement.safetensors` and `statement.json`."""
        write_network(self, self.config, folder, self.name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        return read_network(cls, folder, cls.name)


def later(x: Tensor, rng: torch.Generator) -> Tensor:
    """Signals (batch, 8, samples) in mV as if begun up to 1 s later or earlier, with another gain; for training."""
    shift = int(torch.randint(-SAMPLING_RATE, SAMPLING_RATE + 1, (), generator=rng))
    gain = 1 + GAIN * torch.randn(len(x), 1, 1, generator=rng).to(x.device)
    return gain * x.roll(shift, dims=-1)


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], signals: NDArray[np.float32]) -> NDArray[np.float64]:
    """A network's answer for signals (n, 8, samples) in mV, batch by batch: (n, d)."""
    parts = [function(torch.from_numpy(signals[i : i + BATCH])) for i in range(0, len(signals), BATCH)]
    return torch.cat(parts).double().numpy()
