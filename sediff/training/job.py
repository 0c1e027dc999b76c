"""What a training is asked for, and where it may write."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sediff.training.start import Start


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is trained.

    The learning rate warms up over `warmup` steps, stays, and falls to zero over the last `decay` share. Compiled, a
    step is shorter and the first takes a minute or two longer.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 50
    decay: float = 0.4
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    average: float = 0.0
    precision: str = "float32"
    compiled: bool = False

    def rate_at(self, step: int) -> float:
        """Learning rate of one step (0-based)."""
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup), left)


@dataclass(frozen=True)
class Job:
    """Where a stage that trains writes, and what it may take.

    Attributes:
        out, report: folders of the stage's data and of its metrics and plots.
        work: folder of its checkpoints.
        fingerprint: of the stage; a checkpoint of another one is refused.
        checkpoint_every: steps between checkpoints.
        ends: `time.monotonic()` at which a training writes a checkpoint and stops; None: never.
        start: weights that its trainings continue from; None: they start from nothing.
    """

    out: Path
    report: Path
    work: Path
    seed: int
    device: torch.device
    fingerprint: str = ""
    checkpoint_every: int = 200
    ends: float | None = None
    start: Start | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.ends is not None and time.monotonic() >= self.ends

    def begin(self, network: nn.Module, label: str) -> bool:
        """Give a network that was just made the weights that its training continues from; whether it continues.

        Raises:
            UserError: see `Start.load`.
        """
        if self.start is None:
            return False
        self.start.load(network, label)
        return True

    def steps(self, whole: int) -> int:
        """How many steps a training takes that from nothing would take `whole`."""
        return whole if self.start is None else max(1, round(self.start.share * whole))
