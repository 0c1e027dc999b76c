"""The conditioner: a condition to tokens (batch, 22, width) that the denoiser attends to."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from sediff.encoder.conditions import SEXES, Conditions
from sediff.encoder.tokens import TEXT_TOKENS, NumberToken, TextTokens, ValuesToken, harmonics, masked_mean, octaves
from sediff.knowledge.experience import MEASURED_VALUES, MORPHOLOGY_VALUES
from sediff.layers import read_network, write_network

OTHER_TOKENS = 8  # age, sex, heart rate, axis; the experience's findings, text, measured values and morphology
TOKENS = TEXT_TOKENS + OTHER_TOKENS
AGE_SCALE, RATE_SCALE = 100.0, 200.0  # years, bpm


class Conditioner(nn.Module):
    """Text, age, sex, heart rate, axis and experience to tokens and their mask.

    Args:
        statements: of the vocabulary.
        buckets: rows of the hash table of subwords.
        embedding: what embeds segments, as `embedding.describe` says; None: their hashed subwords do.
    """

    def __init__(self, statements: int, width: int, buckets: int, embedding: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "statements": statements,
            "width": width,
            "buckets": buckets,
            "embedding": embedding,
        }
        self.text = TextTokens(statements, width, buckets, embedding["dimensions"] if embedding else 0)
        self.sex = nn.Embedding(len(SEXES) + 1, width)
        self.age = NumberToken(width, octaves(AGE_SCALE))
        self.heart_rate = NumberToken(width, octaves(RATE_SCALE))
        self.axis = NumberToken(width, harmonics())
        self.no_findings = nn.Parameter(0.02 * torch.randn(width))
        self.measured = ValuesToken(MEASURED_VALUES, width)
        self.morphology = ValuesToken(MORPHOLOGY_VALUES, width)
        self.kinds = nn.Parameter(0.02 * torch.randn(OTHER_TOKENS, width))
        self.norm = nn.LayerNorm(width)

    @property
    def buckets(self) -> int:
        """Rows of the hash table, which `encode_conditions` needs."""
        return self.config["buckets"]

    def forward(self, conditions: Conditions) -> tuple[Tensor, Tensor]:
        """Tokens (batch, 22, width) and mask (batch, 22), true where a token says something."""
        text, text_there = self.text(conditions)
        sizes = (self.config["statements"], MEASURED_VALUES, MORPHOLOGY_VALUES)
        shares, measured, morphology = conditions.experience.split(sizes, dim=-1)
        others = torch.stack(
            [
                self.age(conditions.age),
                self.sex(conditions.sex),
                self.heart_rate(conditions.heart_rate),
                self.axis(conditions.axis),
                self._findings(shares),
                self.text.subwords(conditions.experience_subwords),
                self.measured(measured),
                self.morphology(morphology),
            ],
            dim=1,
        )
        tokens = self.norm(torch.cat([text, others + self.kinds], dim=1))
        others_there = torch.ones(len(conditions), OTHER_TOKENS, dtype=torch.bool, device=tokens.device)
        return tokens, torch.cat([text_there, others_there], dim=1)

    def _findings(self, shares: Tensor) -> Tensor:
        """The statements' own embeddings by their shares (batch, statements): (batch, width)."""
        token = torch.nan_to_num(shares) @ self.text.statements.weight[1:]
        return torch.where(shares.isnan().any(-1, keepdim=True), self.no_findings, token)

    def pooled(self, conditions: Conditions) -> Tensor:
        """Mean of the tokens that say something: (batch, width)."""
        return masked_mean(*self(conditions))

    def save(self, folder: Path) -> None:
        """Write `conditioner.safetensors` and `conditioner.json`."""
        write_network(self, self.config, folder, "conditioner")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        return read_network(cls, folder, "conditioner")
