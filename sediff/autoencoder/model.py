"""Encoder E, decoder D and beat decoder D_beat (SE-Diff, part 1).

Shapes: ECG x (batch, 8, 1000) in mV; latent z (batch, 8, 125), standardised; beat h (batch, 8, 96) in mV.
"""

from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sediff.autoencoder.beat import BEAT_SAMPLES
from sediff.ecg import INDEPENDENT_LEADS
from sediff.files import read_json, write_json

LEADS = len(INDEPENDENT_LEADS)
LATENT_CHANNELS = 8
LATENT_STEPS = 125
STRIDE = 8  # samples of the ECG to one step of the latent
MILLIVOLTS = 0.25  # typical size of a sample; the networks see x / MILLIVOLTS


class ResidualBlock(nn.Module):
    """Depthwise convolution over time, then a pointwise MLP: (batch, width, time) to the same."""

    def __init__(self, width: int, kernel: int = 7) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width),
            nn.GroupNorm(1, width),
            nn.Conv1d(width, 2 * width, 1),
            nn.GELU(),
            nn.Conv1d(2 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Encoder(nn.Module):
    """E: x (batch, 8, 1000) to mean and log-variance of z, each (batch, 8, 125)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        half = width // 2
        self.layers = nn.Sequential(
            nn.Conv1d(LEADS, half, 9, stride=4, padding=4),
            *(ResidualBlock(half) for _ in range(depth // 2)),
            nn.Conv1d(half, width, 4, stride=2, padding=1),
            *(ResidualBlock(width) for _ in range(depth)),
            nn.Conv1d(width, 2 * LATENT_CHANNELS, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(x / MILLIVOLTS).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


class Decoder(nn.Module):
    """D: z (batch, 8, 125) to x (batch, 8, 1000) in mV."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        half = width // 2
        self.layers = nn.Sequential(
            nn.Conv1d(LATENT_CHANNELS, width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(depth)),
            nn.ConvTranspose1d(width, half, 4, stride=2, padding=1),
            *(ResidualBlock(half) for _ in range(depth // 2)),
            nn.ConvTranspose1d(half, LEADS, 12, stride=4, padding=4),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z) * MILLIVOLTS


class BeatDecoder(nn.Module):
    """D_beat: z (batch, 8, 125) to one beat h (batch, 8, 96) in mV, on the grid of `autoencoder.beat`.

    Attention pools the latent's steps, since the beat may lie anywhere near the start of the record.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(LATENT_CHANNELS + 1, width, 9, padding=4), nn.GELU(), ResidualBlock(width, 9)
        )
        self.scores = nn.Conv1d(width, heads, 1)
        self.beat = nn.Sequential(
            nn.Linear(heads * width, 2 * width), nn.GELU(), nn.Linear(2 * width, LEADS * BEAT_SAMPLES)
        )
        self.register_buffer("position", torch.linspace(-1, 1, LATENT_STEPS)[None, None], persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        position = self.position.expand(len(z), 1, -1)
        features = self.features(torch.cat([z, position], dim=1))  # (batch, width, 125)
        weights = self.scores(features).softmax(dim=-1)  # (batch, heads, 125)
        pooled = weights @ features.transpose(1, 2)  # (batch, heads, width)
        return self.beat(pooled.flatten(1)).unflatten(1, (LEADS, BEAT_SAMPLES)) * MILLIVOLTS


class Autoencoder(nn.Module):
    """E, D and D_beat over standardised latents: z = (E(x) - shift) / scale."""

    shift: Tensor
    scale: Tensor

    def __init__(self, width: int = 96, depth: int = 4) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        self.encoder = Encoder(width, depth)
        self.decoder = Decoder(width, depth)
        self.beat_decoder = BeatDecoder(width)
        self.register_buffer("shift", torch.zeros(LATENT_CHANNELS, 1))
        self.register_buffer("scale", torch.ones(LATENT_CHANNELS, 1))

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the posterior, standardised: (batch, 8, 1000) mV to (batch, 8, 125)."""
        return (self.encoder(x)[0] - self.shift) / self.scale

    def decode(self, z: Tensor) -> Tensor:
        """Standardised latent (batch, 8, 125) to ECG (batch, 8, 1000) in mV."""
        return self.decoder(z * self.scale + self.shift)

    def decode_beat(self, z: Tensor) -> Tensor:
        """Standardised latent (batch, 8, 125) to one beat (batch, 8, 96) in mV."""
        return self.beat_decoder(z * self.scale + self.shift)

    def save(self, folder: Path) -> None:
        """Write `autoencoder.safetensors` and `autoencoder.json`."""
        save_file(self.state_dict(), folder / "autoencoder.safetensors")
        write_json(folder / "autoencoder.json", {"schema_version": 1, "width": self.width, "depth": self.depth})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the network is in evaluation mode and frozen."""
        config = read_json(folder / "autoencoder.json")
        autoencoder = cls(config["width"], config["depth"])
        autoencoder.load_state_dict(load_file(folder / "autoencoder.safetensors"))
        return autoencoder.eval().requires_grad_(False)
