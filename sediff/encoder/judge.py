"""The judge: a classifier of statements, trained on records that the conditioner never sees."""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from sediff.encoder.network import FEATURES, EcgNetwork
from sediff.files import read_json, write_json
from sediff.layers import load_weights

BATCH = 256


class Judge(nn.Module):
    """Features (batch, 64) and one logit for each statement it learned."""

    def __init__(self, codes: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.codes, self.width = codes, width
        self.network = EcgNetwork(width)
        self.head = nn.Linear(FEATURES, len(codes))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, 8, 1000) in mV to logits (batch, statements)."""
        return self.head(nn.functional.gelu(self.network(x)))

    @torch.no_grad()
    def features(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features of signals (n, 8, 1000) in mV: (n, 64)."""
        return self._in_batches(signals, self.network)

    @torch.no_grad()
    def probabilities(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each of `codes` for signals (n, 8, 1000) in mV: (n, statements)."""
        return self._in_batches(signals, lambda x: self(x).sigmoid())

    def _in_batches(self, signals: NDArray[np.float32], function) -> NDArray[np.float64]:
        parts = [function(torch.from_numpy(signals[i : i + BATCH])) for i in range(0, len(signals), BATCH)]
        return torch.cat(parts).double().numpy()

    def save(self, folder: Path) -> None:
        """Write `judge.safetensors` and `judge.json`."""
        save_file(self.state_dict(), folder / "judge.safetensors")
        write_json(folder / "judge.json", {"schema_version": 1, "codes": list(self.codes), "width": self.width})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        config = read_json(folder / "judge.json")
        judge = cls(tuple(config["codes"]), config["width"])
        load_weights(judge, folder / "judge.safetensors")
        return judge.eval().requires_grad_(False)
