"""Layers that several networks share."""

from torch import Tensor, nn

MILLIVOLTS = 0.25  # typical size of a sample; networks see x / MILLIVOLTS


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
