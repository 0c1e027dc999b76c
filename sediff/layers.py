"""What several networks share: layers, and how they are kept on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sediff.files import damaged, read_json, write_json

Network = TypeVar("Network", bound=nn.Module)

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


class ConvBlock(nn.Module):
    """Residual dense convolutions over time: (batch, width, time) to the same.

    On a CPU, in bfloat16, they cost no more than depthwise ones and learn more in a step.
    """

    def __init__(self, width: int, kernels: tuple[int, int], dropout: float = 0.0) -> None:
        super().__init__()
        first, second = kernels
        self.layers = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.Conv1d(width, width, first, padding=first // 2),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, second, padding=second // 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read the weights that `safetensors` wrote into a network of the same shape.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(read_tensors(path))
    except RuntimeError:
        raise damaged(path) from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name that a stage wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        raise damaged(path) from None


def write_network(network: nn.Module, config: dict[str, Any], folder: Path, name: str) -> None:
    """Write `<name>.safetensors` and `<name>.json`: the weights, and what the network is built from."""
    save_file(network.state_dict(), folder / f"{name}.safetensors")
    write_json(folder / f"{name}.json", {"schema_version": 1, **config})


def read_network(make: Callable[..., Network], folder: Path, name: str) -> Network:
    """Read what `write_network` wrote, in evaluation mode and frozen.

    Args:
        make: builds the network from what was kept; its class, mostly.

    Raises:
        UserError: a file is missing, damaged, or of another network.
    """
    try:
        config = read_json(folder / f"{name}.json")
        config.pop("schema_version")
        network = make(**config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise damaged(folder / f"{name}.json") from None
    load_weights(network, folder / f"{name}.safetensors")
    return network.eval().requires_grad_(False)
