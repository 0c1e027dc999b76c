"""What several networks share: layers, and reading their weights."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sediff.errors import UserError

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


def load_weights(network: nn.Module, path: Path) -> None:
    """Read the weights that `safetensors` wrote into a network of the same shape.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        raise UserError(
            f"{path} is missing or damaged: restore it with `dvc checkout`, or run its stage again."
        ) from None
