"""The denoiser: a transformer over the latent with cross-attention to condition tokens.

Shapes: noisy latent z_t (batch, 10, 125); rhythm channels (batch, 32, 125), the limit cycle (cos θ, sin θ) at 100 Hz,
which beats are ventricular and which have a P wave, folded to the latent's resolution; the simulator's
record (batch, 11, 125), see `simulated.py`; condition tokens (batch, K, C) with a mask.
"""

import math
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from sediff.autoencoder.model import LATENT_CHANNELS, LATENT_STEPS, STRIDE
from sediff.diffusion.params import DenoiserParams
from sediff.layers import read_network, write_network

RHYTHM_CHANNELS = 4 * STRIDE
SIMULATED_CHANNELS = LATENT_CHANNELS + 1


class Attention(nn.Module):
    """Multi-head attention by plain matrix products, whose backward pass is the faster one on a CPU."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width / heads) ** -0.5
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(context, 2 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Attend to `context`, by default to x itself, where `mask` (batch, K) is true."""
        query = self.query.weight * self.scale
        if context is None:  # one product for all three
            q, k, v = nn.functional.linear(x, torch.cat([query, self.key_value.weight])).chunk(3, dim=-1)
        else:
            q, (k, v) = nn.functional.linear(x, query), self.key_value(context).chunk(2, dim=-1)
        q, k, v = map(self._split, (q, k, v))
        scores = (q @ k.transpose(-1, -2)).float()  # in float32 the softmax is the faster one
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], -1e4)
        return self.out((scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """Self-attention, local convolution, cross-attention, MLP; each modulated by the noise level (adaLN-zero)."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(3))
        self.self_attention = Attention(width, heads, width)
        self.cross_attention = Attention(width, heads, context)
        self.local = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
        self.modulation = nn.Linear(width, 9 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, level: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        parts = self.modulation(level).float()[:, None].chunk(9, dim=-1)
        (shift1, scale1, gate1), (shift2, scale2, gate2), (shift3, scale3, gate3) = parts[:3], parts[3:6], parts[6:]
        h = self._convolved(self.norms[0](x) * (1 + scale1) + shift1)
        x = x + gate1 * self.self_attention(h)
        h = self.norms[1](x) * (1 + scale2) + shift2
        x = x + gate2 * self.cross_attention(h, context, mask)
        h = self.norms[2](x) * (1 + scale3) + shift3
        return x + gate3 * self.mlp(h)

    def _convolved(self, h: Tensor) -> Tensor:
        """h + local(h) of (batch, tokens, width) as a sum of shifted copies, which on a CPU is faster than conv1d."""
        before, here, after = self.local.weight[:, 0].unbind(-1)
        padded = nn.functional.pad(h, (0, 0, 1, 1))
        return padded[:, :-2] * before + h * (1 + here) + padded[:, 2:] * after + self.local.get_parameter("bias")


class Denoiser(nn.Module):
    """v(z_t, λ, rhythm, condition). Dropped conditions are replaced by one learned token."""

    frequencies: Tensor

    def __init__(self, params: DenoiserParams, context: int) -> None:
        super().__init__()
        self.params, self.context = params, context
        width, patch = params.width, params.patch
        self.tokens = math.ceil(LATENT_STEPS / patch)
        self.padding = self.tokens * patch - LATENT_STEPS
        self.patches = nn.Linear(patch * (LATENT_CHANNELS + RHYTHM_CHANNELS), width)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.tokens, width))
        self.level = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.pooled = nn.Linear(context, width)
        self.empty = nn.Parameter(0.02 * torch.randn(1, 1, context))
        self.blocks = nn.ModuleList(Block(width, params.heads, context) for _ in range(params.depth))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, patch * LATENT_CHANNELS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(math.log(0.05), math.log(5), 32)), persistent=False
        )
        if params.morphology:  # last, so that without it all other weights start as they do with it
            self.simulated = nn.Linear(patch * SIMULATED_CHANNELS, width, bias=False)
            nn.init.zeros_(self.simulated.weight)

    def forward(
        self,
        z_t: Tensor,
        lam: Tensor,
        rhythm: Tensor,
        context: Tensor,
        mask: Tensor,
        dropped: Tensor | None = None,
        simulated: Tensor | None = None,
    ) -> Tensor:
        """Predict v.

        Args:
            z_t: (batch, 10, 125); lam: log-SNR (batch,); rhythm: (batch, 32, 125).
            context: condition tokens (batch, K, C); mask: (batch, K), true where a token is there.
            dropped: (batch,), true where tokens, rhythm and simulated record are withheld (classifier-free guidance).
            simulated: (batch, 11, 125), where the network has `denoiser.morphology`; None: not known.
        """
        if not self.params.rhythm:
            rhythm = torch.zeros_like(rhythm)
        if dropped is not None:
            context = torch.where(dropped[:, None, None], self.empty.to(context.dtype), context)
            mask = mask.clone()
            mask[dropped] = False
            mask[dropped, 0] = True
            rhythm = rhythm * ~dropped[:, None, None]
        angles = lam[:, None] * self.frequencies
        weights = mask.to(context.dtype)[..., None]
        pooled = (context * weights).sum(1) / weights.sum(1)
        level = nn.functional.silu(self.level(torch.cat([angles.sin(), angles.cos()], -1)) + self.pooled(pooled))
        x = self.patches(self._fold(torch.cat([z_t, rhythm], dim=1))) + self.position
        if simulated is not None:
            kept = simulated if dropped is None else simulated * ~dropped[:, None, None]
            x = x + self.simulated(self._fold(kept))
        for block in self.blocks:
            x = block(x, level, context, mask)
        return self._unfold(self.out(self.norm(x)))

    def unconditional(self, z_t: Tensor, lam: Tensor) -> Tensor:
        """v where all is withheld, as `forward` with all dropped gives it; of one token, so at a lower price."""
        return self(z_t, lam, *self.withheld(z_t))

    def withheld(self, z_t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rhythm, context and mask of `forward` where all is withheld."""
        count = len(z_t)
        rhythm = z_t.new_zeros(count, RHYTHM_CHANNELS, LATENT_STEPS)
        mask = torch.ones(count, 1, dtype=torch.bool, device=z_t.device)
        return rhythm, self.empty.expand(count, -1, -1), mask

    def _fold(self, x: Tensor) -> Tensor:
        """(batch, channels, 125) to patches (batch, tokens, channels * patch)."""
        x = nn.functional.pad(x, (0, self.padding))
        return x.unflatten(-1, (self.tokens, self.params.patch)).permute(0, 2, 1, 3).flatten(2)

    def _unfold(self, x: Tensor) -> Tensor:
        x = x.unflatten(-1, (LATENT_CHANNELS, self.params.patch)).permute(0, 2, 1, 3).flatten(2)
        return x[..., :LATENT_STEPS]

    def save(self, folder: Path) -> None:
        """Write `denoiser.safetensors` and `denoiser.json`."""
        write_network(self, {"context": self.context, "denoiser": self.params.model_dump()}, folder, "denoiser")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        return read_network(lambda context, denoiser: cls(DenoiserParams(**denoiser), context), folder, "denoiser")


def rhythm_channels(course: Tensor) -> Tensor:
    """Fold a course (batch, 3, 1000), see `course.course_channels`, to the latent's resolution: (batch, 32, 125)."""
    phase = course[:, :1]
    channels = torch.cat([phase.cos(), phase.sin(), course[:, 1:]], dim=1)  # (batch, 4, 1000)
    return channels.unflatten(-1, (LATENT_STEPS, STRIDE)).permute(0, 1, 3, 2).flatten(1, 2)
