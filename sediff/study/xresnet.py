"""xresnet1d, the classifier of PTB-XL's published benchmarks (Strodthoff et al. 2020, arXiv 2004.13701).

A ResNet of bottleneck blocks over time, as deep as asked: with 3, 4, 23 and 3 blocks it is their xresnet1d101, whose
levels all have the same width. Theirs sees 2.5 s of 12 leads at a time; this one 10 s of the independent eight.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, cat, nn
from torch.nn.functional import pad

from sediff.ecg import INDEPENDENT_LEADS
from sediff.layers import MILLIVOLTS

STEM = 32  # channels of its first two convolutions
EXPANSION = 4  # channels of a block's output over those that it computes with
HIDDEN = 128  # channels of the head
DROPOUT = (0.25, 0.5)  # before each of its layers


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, scale: float = 1.0) -> nn.Sequential:
    """A convolution and its batch's normalisation: (batch, inputs, time) to (batch, outputs, ⌈time / stride⌉).

    Args:
        scale: of what it gives, at the start.
    """
    layer, norm = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm1d(outputs)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.constant_(norm.weight, scale)
    return nn.Sequential(layer, norm)


class Bottleneck(nn.Module):
    """Three convolutions over `width` channels beside a shortcut: (batch, inputs, time) to 4 · width channels.

    It begins as its shortcut alone.
    """

    def __init__(self, inputs: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.path = nn.Sequential(
            *(convolution(inputs, width, 1), nn.ReLU()),
            *(convolution(width, width, kernel, stride), nn.ReLU()),
            convolution(width, outputs, 1, scale=0.0),
        )
        shorter = [nn.AvgPool1d(2, ceil_mode=True)] if stride > 1 else []
        wider = [convolution(inputs, outputs, 1)] if inputs != outputs else []
        self.shortcut = nn.Sequential(*shorter, *wider)

    def forward(self, x: Tensor) -> Tensor:
        return (self.path(x) + self.shortcut(x)).relu()


class Halved(nn.Module):
    """The largest of three samples, every other one, of what is not negative.

    As `nn.MaxPool1d(3, 2, 1)`, whose gradient on a GPU is not the same each time.
    """

    def forward(self, x: Tensor) -> Tensor:
        return pad(x, (1, 1)).unfold(2, 3, 2).amax(3)


class XResNet1d(nn.Module):
    """x (batch, 8, samples) in mV to logits (batch, classes).

    Args:
        depth: blocks of each level; every level but the first halves the time.
        width: channels that a block computes with.
        kernel: of the stem's three convolutions and of each block's middle one.
    """

    def __init__(self, classes: int, depth: Sequence[int], width: int, kernel: int) -> None:
        super().__init__()
        channels = (len(INDEPENDENT_LEADS), STEM, STEM, width)
        stem = [
            layer
            for k, (inputs, outputs) in enumerate(pairwise(channels))
            for layer in (convolution(inputs, outputs, kernel, 1 if k else 2), nn.ReLU())
        ]
        blocks, inputs = [], width
        for level, count in enumerate(depth):
            for k in range(count):
                blocks.append(Bottleneck(inputs, width, kernel, 2 if level and not k else 1))
                inputs = EXPANSION * width
        self.layers = nn.Sequential(*stem, Halved(), *blocks)
        self.head = nn.Sequential(
            *(nn.BatchNorm1d(2 * inputs), nn.Dropout(DROPOUT[0]), nn.Linear(2 * inputs, HIDDEN), nn.ReLU()),
            *(nn.BatchNorm1d(HIDDEN), nn.Dropout(DROPOUT[1]), nn.Linear(HIDDEN, classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        found = self.layers(x / MILLIVOLTS)
        return self.head(cat([found.amax(2), found.mean(2)], 1))
