"""Tokens of a text, and of numbers: what the conditioner and the judge of texts are made of."""

import math

import torch
from torch import Tensor, nn

from sediff.encoder.conditions import CERTAINTIES, MAX_STATEMENTS, Conditions
from sediff.encoder.segments import MAX_SEGMENTS

TEXT_TOKENS = MAX_STATEMENTS + MAX_SEGMENTS


class TextTokens(nn.Module):
    """A token for each statement with its certainty and for each segment: (batch, 14, width), and their mask.

    A segment's token is the mean of its subwords' learned vectors, or a learned projection of what a frozen model
    embeds it as.
    """

    def __init__(self, statements: int, width: int, buckets: int, dimensions: int = 0) -> None:
        super().__init__()
        self.statements = nn.Embedding(statements + 1, width, padding_idx=0)
        self.certainties = nn.Embedding(len(CERTAINTIES) + 1, width, padding_idx=0)
        self.subwords = nn.EmbeddingBag(buckets, width, mode="mean", padding_idx=0)
        self.projection = nn.Linear(dimensions, width) if dimensions else None
        self.segment = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, conditions: Conditions) -> tuple[Tensor, Tensor]:
        """Tokens (batch, 14, width) and mask (batch, 14), true where a token says something."""
        statements = self.statements(conditions.statements) + self.certainties(conditions.certainties)
        if self.projection is None:
            count, most, _ = conditions.segments.shape
            segments = self.subwords(conditions.segments.flatten(0, 1)).view(count, most, -1)
        else:
            segments = self.projection(conditions.embedded.to(self.projection.weight.dtype))
        there = torch.cat([conditions.statements > 0, conditions.segments.any(-1)], dim=1)
        return torch.cat([statements, segments + self.segment], dim=1), there


class NumberToken(nn.Module):
    """A number (batch,) to a token (batch, width) through sines of it; NaN has a learned token of its own.

    Args:
        angles: (frequencies,), radians for each unit of the number.
    """

    angles: Tensor

    def __init__(self, width: int, angles: Tensor) -> None:
        super().__init__()
        self.register_buffer("angles", angles, persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * len(angles), width), nn.GELU(), nn.Linear(width, width))
        self.missing = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, value: Tensor) -> Tensor:
        angles = torch.nan_to_num(value)[:, None] * self.angles
        token = self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return torch.where(value.isnan()[:, None], self.missing, token)


class ValuesToken(nn.Module):
    """Numbers (batch, size) to a token (batch, width).

    A NaN among them has a learned weight of its own, and a row of nothing but NaN a learned token.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * size, width), nn.GELU(), nn.Linear(width, width))
        self.missing = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, values: Tensor) -> Tensor:
        unknown = values.isnan()
        token = self.layers(torch.cat([torch.nan_to_num(values), unknown.to(values.dtype)], dim=-1))
        return torch.where(unknown.all(-1, keepdim=True), self.missing, token)


def octaves(scale: float, count: int = 16) -> Tensor:
    """Angles for a number of about `scale`, over seven octaves."""
    return math.pi / scale * 2 ** torch.linspace(-1, 6, count)


def harmonics(count: int = 8) -> Tensor:
    """Angles for degrees of a circle: -180° is 180°."""
    return math.pi / 180 * torch.arange(1, count + 1)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean of the tokens that say something: (batch, width); 0 where none does."""
    weights = mask[..., None].to(tokens.dtype)
    return (tokens * weights).sum(1) / weights.sum(1).clamp(min=1)
