"""The conditioner: a condition to tokens (batch, 14, width) that the denoiser attends to."""

import math
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sediff.encoder.conditions import CERTAINTIES, MAX_STATEMENTS, SEXES, Conditions
from sediff.files import read_json, write_json
from sediff.layers import load_weights

TOKENS = MAX_STATEMENTS + 6  # statements; text, age, sex, heart rate, experience's text and values
AGE_SCALE, RATE_SCALE = 100.0, 200.0


class NumberToken(nn.Module):
    """A number (batch,) to a token (batch, width) through sines; NaN has a learned token of its own."""

    frequencies: Tensor

    def __init__(self, width: int, scale: float, frequencies: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(-1, 6, frequencies), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * frequencies, width), nn.GELU(), nn.Linear(width, width))
        self.missing = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, value: Tensor) -> Tensor:
        angles = torch.nan_to_num(value)[:, None] / self.scale * self.frequencies
        token = self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return torch.where(value.isnan()[:, None], self.missing, token)


class Conditioner(nn.Module):
    """Statements, text, age, sex, heart rate and experience to tokens and their mask."""

    def __init__(self, statements: int, values: int, width: int, buckets: int) -> None:
        super().__init__()
        self.config = {"statements": statements, "values": values, "width": width, "buckets": buckets}
        self.statements = nn.Embedding(statements + 1, width, padding_idx=0)
        self.certainties = nn.Embedding(len(CERTAINTIES) + 1, width, padding_idx=0)
        self.subwords = nn.EmbeddingBag(buckets, width, mode="mean", padding_idx=0)
        self.sex = nn.Embedding(len(SEXES) + 1, width)
        self.age = NumberToken(width, AGE_SCALE)
        self.heart_rate = NumberToken(width, RATE_SCALE)
        self.experience = nn.Sequential(nn.Linear(2 * values, width), nn.GELU(), nn.Linear(width, width))
        self.kinds = nn.Parameter(0.02 * torch.randn(TOKENS - MAX_STATEMENTS, width))
        self.norm = nn.LayerNorm(width)

    @property
    def buckets(self) -> int:
        """Rows of the hash table, which `encode_conditions` needs."""
        return self.config["buckets"]

    def forward(self, conditions: Conditions) -> tuple[Tensor, Tensor]:
        """Tokens (batch, 14, width) and mask (batch, 14), true where a token says something."""
        statements = self.statements(conditions.statements) + self.certainties(conditions.certainties)
        known = torch.cat([torch.nan_to_num(conditions.experience), conditions.experience.isnan().float()], dim=-1)
        others = torch.stack(
            [
                self.subwords(conditions.subwords),
                self.age(conditions.age),
                self.sex(conditions.sex),
                self.heart_rate(conditions.heart_rate),
                self.subwords(conditions.experience_subwords),
                self.experience(known),
            ],
            dim=1,
        )
        tokens = self.norm(torch.cat([statements, others + self.kinds], dim=1))
        others_there = torch.ones(len(conditions), TOKENS - MAX_STATEMENTS, dtype=torch.bool)
        return tokens, torch.cat([conditions.statements > 0, others_there.to(tokens.device)], dim=1)

    def pooled(self, conditions: Conditions) -> Tensor:
        """Mean of the tokens that say something: (batch, width)."""
        tokens, mask = self(conditions)
        weights = mask[..., None].to(tokens.dtype)
        return (tokens * weights).sum(1) / weights.sum(1)

    def save(self, folder: Path) -> None:
        """Write `conditioner.safetensors` and `conditioner.json`."""
        save_file(self.state_dict(), folder / "conditioner.safetensors")
        write_json(folder / "conditioner.json", {"schema_version": 1, **self.config})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        config = read_json(folder / "conditioner.json")
        config.pop("schema_version")
        conditioner = cls(**config)
        load_weights(conditioner, folder / "conditioner.safetensors")
        return conditioner.eval().requires_grad_(False)
