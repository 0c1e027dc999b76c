"""A residual network that reads ECGs: the shape of the judges and of the conditioner's counterpart."""

from torch import Tensor, cat, nn

from sediff.ecg import INDEPENDENT_LEADS
from sediff.layers import MILLIVOLTS, ConvBlock

FEATURES = 64
GROWTH, DEPTHS = (2, 3, 4, 6), (1, 1, 2, 2)  # of the four resolutions: width in halves of the first, and blocks
KERNELS = (5, 5)


class EcgNetwork(nn.Module):
    """x (batch, 8, samples) in mV, 1000 samples or half of them, to features (batch, 64)."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [width * growth // 2 for growth in GROWTH]
        layers: list[nn.Module] = [nn.Conv1d(len(INDEPENDENT_LEADS), width, 11, stride=4, padding=5)]
        for position, (own, depth) in enumerate(zip(widths, DEPTHS, strict=True)):
            if position:
                before = widths[position - 1]
                layers += [nn.GroupNorm(1, before), nn.Conv1d(before, own, 5, stride=2, padding=2)]
            layers += [ConvBlock(own, KERNELS, dropout) for _ in range(depth)]
        self.layers = nn.Sequential(*layers, nn.GroupNorm(1, widths[-1]))
        self.features = nn.Sequential(nn.LayerNorm(3 * widths[-1]), nn.Linear(3 * widths[-1], FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return self.features(_pooled(self.layers(x / MILLIVOLTS)))


def _pooled(hidden: Tensor) -> Tensor:
    """Mean, standard deviation and maximum over time: (batch, width, time) to (batch, 3 · width)."""
    centred = (hidden - hidden.mean(-1, keepdim=True)).float()
    return cat([hidden.mean(-1), (centred.square().mean(-1) + 1e-6).sqrt(), hidden.amax(-1)], dim=-1)
