"""A small residual network that reads ECGs: the shape of the judges and of the conditioner's counterpart."""

from torch import Tensor, cat, nn

from sediff.ecg import INDEPENDENT_LEADS
from sediff.layers import MILLIVOLTS, ResidualBlock

FEATURES = 64


class EcgNetwork(nn.Module):
    """x (batch, 8, samples) in mV, 1000 samples or half of them, to features (batch, 64)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(len(INDEPENDENT_LEADS), width, 9, stride=4, padding=4),
            nn.GELU(),
            ResidualBlock(width, 9),
            nn.Conv1d(width, 2 * width, 5, stride=2, padding=2),
            ResidualBlock(2 * width, 9),
            ResidualBlock(2 * width, 9),
            nn.Conv1d(2 * width, 2 * width, 5, stride=2, padding=2),
            ResidualBlock(2 * width, 9),
            ResidualBlock(2 * width, 9),
        )
        self.features = nn.Sequential(nn.LayerNorm(4 * width), nn.Linear(4 * width, FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layers(x / MILLIVOLTS)
        return self.features(nn.functional.gelu(_mean_and_spread(hidden)))


def _mean_and_spread(hidden: Tensor) -> Tensor:
    """Mean and standard deviation over time: (batch, width, time) to (batch, 2 · width)."""
    centred = hidden - hidden.mean(-1, keepdim=True)
    return cat([hidden.mean(-1), (centred.square().mean(-1) + 1e-6).sqrt()], dim=-1)
