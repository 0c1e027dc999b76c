"""The downstream classifier: a small residual network, as a team would train on its own data."""

from torch import Tensor, nn

from sediff.ecg import INDEPENDENT_LEADS
from sediff.layers import MILLIVOLTS, ResidualBlock


class Classifier(nn.Module):
    """x (batch, 8, 1000) in mV to logits (batch, classes)."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(len(INDEPENDENT_LEADS), width, 9, stride=4, padding=4),
            nn.GELU(),
            ResidualBlock(width, 9),
            nn.Conv1d(width, 2 * width, 5, stride=2, padding=2),
            ResidualBlock(2 * width, 9),
            nn.Conv1d(2 * width, 4 * width, 5, stride=2, padding=2),
            ResidualBlock(4 * width, 9),
            nn.AdaptiveMaxPool1d(1),
            nn.Flatten(),
            nn.LayerNorm(4 * width),
            nn.Linear(4 * width, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x / MILLIVOLTS)
