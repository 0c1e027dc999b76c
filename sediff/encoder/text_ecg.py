"""Judge (c): texts and ECGs in one space, for the CLIP score; its text tower is its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from sediff.encoder.conditions import Condition, Conditions, encode_conditions
from sediff.encoder.judge import BATCH, in_batches
from sediff.encoder.network import FEATURES, EcgNetwork
from sediff.encoder.tokens import TextTokens, masked_mean
from sediff.layers import read_network, write_network
from sediff.vocabulary import Vocabulary


class TextJudge(nn.Module):
    """A text's and an ECG's place in one space (batch, 64). Of a condition it reads the text alone.

    Args:
        codes: the statements that it learns, by position. They are its own, so that a pinned judge reads a text as it
            did although the vocabulary has grown: of statements that it does not know it reads the words alone.
    """

    name = "text"

    def __init__(self, codes: Sequence[str], width: int, text_width: int, buckets: int) -> None:
        super().__init__()
        self.codes, self.buckets = tuple(codes), buckets
        self.config = {"codes": list(codes), "width": width, "text_width": text_width, "buckets": buckets}
        self.tokens = TextTokens(len(self.codes), text_width, buckets)
        self.text = nn.Sequential(
            nn.LayerNorm(text_width), nn.Linear(text_width, text_width), nn.GELU(), nn.Linear(text_width, FEATURES)
        )
        self.network = EcgNetwork(width)

    def encode(self, texts: Sequence[str], vocabulary: Vocabulary) -> Conditions:
        """Texts as this judge reads them."""
        return encode_conditions([Condition(text) for text in texts], vocabulary, self.buckets, codes=self.codes)

    def forward(self, conditions: Conditions, x: Tensor) -> tuple[Tensor, Tensor]:
        """Texts and signals (batch, 8, 1000) in mV to their places: twice (batch, 64)."""
        return self.place_texts(conditions), self.network(x)

    def place_texts(self, conditions: Conditions) -> Tensor:
        """Places of texts, not yet of unit length: (batch, 64)."""
        return self.text(masked_mean(*self.tokens(conditions)))

    @torch.no_grad()
    def texts(self, conditions: Conditions) -> NDArray[np.float64]:
        """Unit vectors of texts: (n, 64)."""
        index = torch.arange(len(conditions)).split(BATCH)
        parts = [normalize(self.place_texts(conditions.rows(rows)), dim=-1) for rows in index]
        return torch.cat(parts).double().numpy()

    def ecgs(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Unit vectors of signals (n, 8, 1000) in mV: (n, 64)."""
        return in_batches(lambda x: normalize(self.network(x), dim=-1), signals)

    def save(self, folder: Path) -> None:
        """Write `text.safetensors` and `text.json`."""
        write_network(self, self.config, folder, self.name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        return read_network(cls, folder, cls.name)
