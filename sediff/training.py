"""The one training loop: resumable, and the same weights whatever interrupted it.

Randomness has no state to save: the order of the records is a function of (seed, epoch) and a step's
noise of (seed, step). A checkpoint therefore holds weights, their moving average, the optimiser, the
step and the curves so far.
"""

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from sediff.errors import UserError
from sediff.files import replacing
from sediff.progress import track

CURVE_POINTS = 60
Terms = Mapping[str, Tensor]
Curves = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is trained.

    The learning rate warms up over `warmup` steps, stays, and falls to zero over the last `decay` share.
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
    checkpoint_every: int = 200

    def rate_at(self, step: int) -> float:
        """Learning rate of one step (0-based)."""
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup), left)


@dataclass(frozen=True)
class Job:
    """Where a stage that trains writes its data and its report and keeps its checkpoints; its seed and device."""

    out: Path
    report: Path
    work: Path
    seed: int
    device: torch.device


def seed_of(*parts: object) -> int:
    """A 63-bit seed that depends on all parts; neighbouring parts give unrelated seeds."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded by all parts, so that noise is the same on every device."""
    return torch.Generator().manual_seed(seed_of(*parts))


def batches(records: int, batch_size: int, seed: int, first_step: int, steps: int) -> Iterator[tuple[int, Tensor]]:
    """Give (step, indices of the batch): each epoch is a permutation, cut across epochs without loss."""
    epoch, order = -1, torch.empty(0, dtype=torch.long)
    for step in range(first_step, steps):
        positions = torch.arange(step * batch_size, (step + 1) * batch_size)
        parts = []
        for wanted in torch.unique(positions // records).tolist():
            if wanted != epoch:
                epoch, order = wanted, torch.randperm(records, generator=generator(seed, "epoch", wanted))
            parts.append(order[positions[positions // records == wanted] % records])
        yield step, torch.cat(parts)


def train(
    network: nn.Module,
    loss: Callable[[Tensor, torch.Generator], tuple[Tensor, Terms]],
    records: int,
    schedule: Schedule,
    job: Job,
    label: str,
) -> tuple[nn.Module, Curves]:
    """Train `network` in place and return its moving average (itself without one) and the curves.

    Args:
        loss: takes record indices (batch,) and a generator; gives the scalar loss and named terms.
        job: its `work` holds this configuration's checkpoint `<label>.pt`; an interrupted call goes on from it.

    Raises:
        UserError: the loss is no longer a number.
    """
    average = _Average(network, schedule.average)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.99)
    )
    checkpoint = job.work / f"{label}.pt"
    first_step, log, sums = _resume(checkpoint, network, average, optimiser)
    every = max(1, schedule.steps // CURVE_POINTS)
    network.train()
    steps = batches(records, schedule.batch_size, job.seed, first_step, schedule.steps)
    for step, rows in track(steps, schedule.steps - first_step, f"{label}: steps"):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate_at(step)
        with torch.autocast(job.device.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
            total, terms = loss(rows, generator(job.seed, "step", step))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), schedule.gradient_norm)
        optimiser.step()
        average.update(network)
        for name, value in {"loss": total, **terms}.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if (step + 1) % every == 0:
            log.append({"step": step + 1.0, **{name: value / every for name, value in sums.items()}})
            sums = {}
            _refuse_divergence(log[-1]["loss"], label, step)
        if (step + 1) % schedule.checkpoint_every == 0:
            _save(checkpoint, network, average, optimiser, step + 1, log, sums)
    if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
        _refuse_divergence(float("nan"), label, schedule.steps - 1)
    _save(checkpoint, network, average, optimiser, schedule.steps, log, sums)
    return average.network.eval(), _curves(log)


class _Average:
    """Exponential moving average of the weights; rate 0 follows the network itself."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.rate = rate
        self.network = copy.deepcopy(network).requires_grad_(False) if rate else network

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        if not self.rate:
            return
        averages: list[Tensor] = list(self.network.parameters())
        weights: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - self.rate)
        for target, source in zip(self.network.buffers(), network.buffers(), strict=True):
            target.copy_(source)


def _save(
    path: Path,
    network: nn.Module,
    average: _Average,
    optimiser: torch.optim.Optimizer,
    step: int,
    log: list[dict[str, float]],
    sums: dict[str, float],
) -> None:
    state = {
        "step": step,
        "log": log,
        "sums": sums,
        "network": network.state_dict(),
        "average": average.network.state_dict() if average.rate else {},
        "optimiser": optimiser.state_dict(),
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _resume(
    path: Path, network: nn.Module, average: _Average, optimiser: torch.optim.Optimizer
) -> tuple[int, list[dict[str, float]], dict[str, float]]:
    if not path.exists():
        return 0, [], {}
    try:
        state = torch.load(path, weights_only=True)
        network.load_state_dict(state["network"])
        if average.rate:
            average.network.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, KeyError, ValueError, EOFError, OSError, UnpicklingError) as error:
        first_line = str(error).splitlines()[0]
        raise UserError(f"{path} is no checkpoint of this configuration ({first_line}): remove it.") from None
    return state["step"], state["log"], state["sums"]


def _refuse_divergence(value: float, label: str, step: int) -> None:
    if value != value or value in (float("inf"), float("-inf")):
        raise UserError(f"The loss of {label} is no longer a number at step {step + 1}: lower its learning_rate.")


def _curves(log: list[dict[str, float]]) -> Curves:
    names = list(log[0])[1:] if log else []
    steps = [entry["step"] for entry in log]
    return {name: {"x": steps, "y": [float(f"{entry[name]:.6g}") for entry in log]} for name in names}
