"""Encoder E, decoder D and beat decoder D_beat (SE-Diff, part 1).

Shapes: ECG x (batch, 8, 1000) in mV; latent z (batch, 10, 125), standardised; beat h (batch, 8, 96) in mV.
"""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from sediff.autoencoder.beat import BEAT_SAMPLES, R_SAMPLE
from sediff.ecg import INDEPENDENT_LEADS
from sediff.layers import MILLIVOLTS, ConvBlock, ResidualBlock, read_network, write_network

LEADS = len(INDEPENDENT_LEADS)
LATENT_CHANNELS = 10  # with 8, R amplitudes change by a seventh more after as many steps
LATENT_STEPS = 125
STRIDE = 8  # samples of the ECG to one step of the latent
KERNELS = (3, 1)


class Encoder(nn.Module):
    """E: x (batch, 8, 1000) to mean and log-variance of z, each (batch, 10, 125)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(LEADS, width, 2 * STRIDE + 1, stride=STRIDE, padding=STRIDE),
            *(ConvBlock(width, KERNELS) for _ in range(depth)),
            nn.GroupNorm(1, width),
            nn.Conv1d(width, 2 * LATENT_CHANNELS, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(x / MILLIVOLTS).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


class Decoder(nn.Module):
    """D: z (batch, 10, 125) to x (batch, 8, 1000) in mV."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(LATENT_CHANNELS, width, 3, padding=1),
            *(ConvBlock(width, KERNELS) for _ in range(depth)),
            nn.GroupNorm(1, width),
            nn.ConvTranspose1d(width, LEADS, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z) * MILLIVOLTS


class BeatFinder(nn.Module):
    """Where the first complete beat lies: z (batch, 10, 125) to logits over the samples of its R (batch, 1000)."""

    position: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(LATENT_CHANNELS + 1, width, 9, padding=4),
            nn.GELU(),
            ResidualBlock(width, 9),
            ResidualBlock(width, 25),
            nn.Conv1d(width, STRIDE, 1),
        )
        self.register_buffer("position", torch.linspace(-1, 1, LATENT_STEPS)[None, None], persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        logits = self.layers(torch.cat([z, self.position.expand(len(z), 1, -1)], dim=1))  # (batch, 8, 125)
        return logits.transpose(1, 2).flatten(1)


def soft_crop(x: Tensor, weights: Tensor) -> Tensor:
    """Mean of the 96-sample windows around every sample, by weight: a crop that stays differentiable.

    x (batch, 8, 1000) and weights over its samples (batch, 1000) give (batch, 8, 96).
    """
    padded = nn.functional.pad(x, (R_SAMPLE, BEAT_SAMPLES - R_SAMPLE - 1), mode="replicate")
    kernels = weights.repeat_interleave(LEADS, dim=0)[:, None]  # (batch · 8, 1, 1000)
    cropped = nn.functional.conv1d(padded.flatten(0, 1)[None], kernels, groups=len(kernels))
    return cropped[0].unflatten(0, (len(x), LEADS))


class Autoencoder(nn.Module):
    """E, D and D_beat over standardised latents: z = (E(x) - shift) / scale.

    D_beat is D, cropped around the R that a light network finds in the latent. A network that draws the
    beat itself needs many times the training: after 600 steps it was further from the beat than D is.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        self.encoder = Encoder(width, depth)
        self.decoder = Decoder(width, depth)
        self.beat_finder = BeatFinder(width)
        self.register_buffer("shift", torch.zeros(LATENT_CHANNELS, 1))
        self.register_buffer("scale", torch.ones(LATENT_CHANNELS, 1))

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the posterior, standardised: (batch, 8, 1000) mV to (batch, 10, 125)."""
        return (self.encoder(x)[0] - self.shift) / self.scale

    def decode(self, z: Tensor) -> Tensor:
        """Standardised latent (batch, 10, 125) to ECG (batch, 8, 1000) in mV."""
        return self.decoder(z * self.scale + self.shift)

    def decode_beat(self, z: Tensor) -> Tensor:
        """D_beat: standardised latent (batch, 10, 125) to one beat (batch, 8, 96) in mV, R at sample 35."""
        z = z * self.scale + self.shift
        return soft_crop(self.decoder(z).float(), self.beat_finder(z).float().softmax(-1))

    def forget_standards(self) -> None:
        """Take latents as the encoder gives them, until they are standardised anew."""
        self.shift.zero_()
        self.scale.fill_(1.0)

    def save(self, folder: Path) -> None:
        """Write `autoencoder.safetensors` and `autoencoder.json`."""
        write_network(self, {"width": self.width, "depth": self.depth}, folder, "autoencoder")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the network is in evaluation mode and frozen."""
        return read_network(cls, folder, "autoencoder")
