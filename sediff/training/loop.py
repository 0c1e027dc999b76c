"""The loop itself: gradient steps, a moving average, checkpoints, curves.

A batch's rows are a function of (seed, epoch), a step's noise of (seed, step), so an interrupted training goes on from
its checkpoint to the same weights. `accelerate` places it: on a CPU, a GPU, or on several, where each process takes its
part of every batch.
"""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, send_to_device
from torch import Tensor, nn

from sediff.autocast import has_bfloat16
from sediff.errors import UserError
from sediff.progress import log_line, track
from sediff.seeds import generator, seed_of
from sediff.training import checkpoint
from sediff.training.batches import Prefetched, batches
from sediff.training.checkpoint import State
from sediff.training.compiling import compiled
from sediff.training.job import Job, Schedule
from sediff.training.memory import is_out_of_memory, too_large
from sediff.training.optimiser import Optimiser

CURVE_POINTS = 60
DIVERGED = 100.0  # times the loss at the start
Terms = Mapping[str, Tensor]
Curves = dict[str, dict[str, list[float]]]
Batch = Any  # tensors, or what holds tensors and has `.to(device)`
Loss = Callable[[Any, Batch, torch.Generator], tuple[Tensor, Terms]]
Probe = Callable[[Any, Batch, torch.Generator], Mapping[str, float]]


@dataclass(frozen=True)
class Trained:
    """A trained network (its moving average where there is one), and how the training went.

    Attributes:
        rate: records a second, of this call.
        waited: share of the time for which a step waited for its batch.
    """

    network: Any
    curves: Curves
    rate: float
    waited: float


def train(
    network: nn.Module,
    batch: Callable[[Tensor], Batch],
    loss: Loss,
    records: int,
    schedule: Schedule,
    job: Job,
    label: str,
    probe: Probe | None = None,
) -> Trained:
    """Train `network` in place, on the job's device.

    Args:
        batch: gathers the records at indices (batch,), on the CPU; called in a thread, one step ahead.
        loss: of the network, a batch on the device and a generator; gives the scalar loss and named terms.
        records: how many there are to choose from.
        label: names the training in logs and its checkpoint `<label>.pt`, from which an interrupted call goes on.
        probe: measures more, of the same, for each point of the curves; it may leave no gradient behind.

    Raises:
        UserError: the loss is no number or has exploded, the batch does not fit into memory, the time is up, or the
            checkpoint is of another configuration.
    """
    accelerator = _accelerator(job.device, schedule.precision)
    network.to(accelerator.device).train()
    optimiser = Optimiser(network, schedule.learning_rate, schedule.weight_decay)
    averaged = copy.deepcopy(network).requires_grad_(False) if schedule.average else network
    loop = _Loop(accelerator, State(network, averaged, optimiser), loss, schedule, job, label, probe)
    rate, waited = loop.run(batch, records)
    return Trained(averaged.eval(), _curves(loop.state.log), rate, waited)


def _accelerator(device: torch.device, precision: str) -> Accelerator:
    """Processes and precision. Trainings of one process must agree on what is mixed, so each switches it on or off."""
    halves = has_bfloat16(device)
    switch = AutocastKwargs(enabled=halves and precision == "bfloat16")
    mixed = "bf16" if halves else "no"
    return Accelerator(cpu=device.type == "cpu", mixed_precision=mixed, kwargs_handlers=[switch])


class _Objective(nn.Module):
    """The loss as a module's `forward`, which is what `accelerate` can spread over processes."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, Terms]:
        return self.loss(self.network, batch, rng)


class _Loop:
    """One call of `train`."""

    def __init__(
        self,
        accelerator: Accelerator,
        state: State,
        loss: Loss,
        schedule: Schedule,
        job: Job,
        label: str,
        probe: Probe | None,
    ) -> None:
        self.accelerator, self.state, self.schedule, self.job, self.label = accelerator, state, schedule, job, label
        self.probe = probe
        self.rank, self.processes = accelerator.process_index, accelerator.num_processes
        if schedule.batch_size % self.processes:
            raise UserError(
                f"{label}: a batch of {schedule.batch_size} records cannot be shared equally by {self.processes} "
                "processes: change its batch_size or reproducibility.training_processes."
            )
        called = compiled(state.network, label) if schedule.compiled else state.network
        self.objective = accelerator.prepare(_Objective(called, loss))
        self.every = max(1, schedule.steps // CURVE_POINTS)
        checkpoint.resume(self.path, state, self.identity, accelerator.device)
        self.saved = state.step
        accelerator.wait_for_everyone()  # nobody writes before everybody has read

    @property
    def path(self) -> Path:
        return self.job.work / f"{self.label}.pt"

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must have in common with this training."""
        return {"label": self.label, "fingerprint": self.job.fingerprint, "seed": self.job.seed, **vars(self.schedule)}

    def run(self, batch: Callable[[Tensor], Batch], records: int) -> tuple[float, float]:
        """Take the steps that are left; gives records a second and the share of the time spent waiting."""
        state, schedule, first = self.state, self.schedule, self.state.step
        seed = seed_of(self.job.seed, self.label)
        steps = batches(records, schedule.batch_size, seed, first, schedule.steps)
        own = ((step, rows.chunk(self.processes)[self.rank]) for step, rows in steps)
        prefetched = Prefetched(own, batch, self.accelerator.device)
        started = time.perf_counter()
        shown = track(prefetched, schedule.steps - first, f"{self.label}: steps", note=self._note)
        for step, ready in shown:
            self._step(step, ready, batch)
            state.step = step + 1
            if state.step % self.every == 0:
                self._log(ready)
            if state.step % self.job.checkpoint_every == 0 or state.step == schedule.steps:
                self._save()
            elif self.job.is_over and self.processes == 1:  # several would have to agree on the step; they are ended
                self._save()
                raise UserError(
                    f"The time is up for {self.label} after step {state.step} of {schedule.steps}: run again to go on "
                    "from there, or raise runtime.stage_time_limit."
                )
        seconds = max(time.perf_counter() - started, 1e-9)
        rate, waited = (state.step - first) * schedule.batch_size / seconds, prefetched.waited / seconds
        if state.step > first:
            log_line(f"{self.label}: {rate:.0f} records/s, {waited:.1%} of the time waiting for data")
        return rate, waited

    def _step(self, step: int, ready: Batch, batch: Callable[[Tensor], Batch]) -> None:
        state = self.state
        seeds = (self.job.seed, self.label, "step", step, self.rank)
        torch.manual_seed(seed_of(*seeds, "layers"))  # of layers that draw, such as dropout
        try:
            state.optimiser.zero_grad()
            total, terms = self.objective(ready, generator(*seeds))
            self.accelerator.backward(total)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            self.accelerator.clip_grad_norm_(state.network.parameters(), self.schedule.gradient_norm)
            state.optimiser.step(self.schedule.rate_at(step))
            _update(state.average, state.network, self.schedule.average)
            for name, value in {"loss": total, **terms}.items():
                state.sums[name] = state.sums.get(name, torch.zeros(())) + value.detach().double()
            return
        # Not in the except block, which would hold the failed step's tensors.
        raise too_large(partial(self._attempt, batch), self.schedule.batch_size, self.label)

    def _attempt(self, batch: Callable[[Tensor], Batch], size: int) -> None:
        """Compute the gradients of the first `size` records."""
        state = self.state
        state.optimiser.zero_grad()
        ready = send_to_device(batch(torch.arange(size)), self.accelerator.device)
        objective = self.accelerator.unwrap_model(self.objective)
        objective(ready, generator("size", size))[0].backward()

    def _average_sums(self) -> None:
        """Make the sums those of all processes: their mean, which is the whole batch's as the parts are equal.

        What is added later is averaged later, so it may be done at any step.
        """
        if self.processes > 1:
            self.state.sums = self.accelerator.reduce(self.state.sums, reduction="mean")

    def _log(self, ready: Batch) -> None:
        state = self.state
        self._average_sums()
        entry = {name: float(value) / self.every for name, value in state.sums.items()}
        before = state.log[0]["loss"] if state.log else entry["loss"]
        if not state.is_finite():
            raise self._diverged("is no longer a number")
        if entry["loss"] > DIVERGED * max(before, 0.0) > 0:
            raise self._diverged(f"is {entry['loss'] / before:.0f} times what it was at the start")
        if self.probe:
            rng = generator(self.job.seed, self.label, "probe", state.step)
            with self.accelerator.autocast():
                entry |= self.probe(state.network, ready, rng)
        state.log.append({"step": float(state.step), **entry})
        state.sums = {}

    def _save(self) -> None:
        self._average_sums()  # or a checkpoint would hold the first process's alone
        if not self.state.is_finite():
            raise self._diverged("is no longer a number")
        if self.accelerator.is_main_process:
            checkpoint.save(self.path, self.state, self.identity)
        self.saved = self.state.step
        self.accelerator.wait_for_everyone()

    def _diverged(self, what: str) -> UserError:
        kept = f"; the last good checkpoint, of step {self.saved}, is {self.path}" if self.saved else ""
        return UserError(f"The loss of {self.label} {what} at step {self.state.step}: lower its learning_rate{kept}.")

    def _note(self) -> str:
        log = self.state.log
        return f"loss {log[-1]['loss']:.4g}" if log else ""


@torch.no_grad()
def _update(average: nn.Module, network: nn.Module, rate: float) -> None:
    """Move the average a little towards the network; rate 0 has none."""
    if not rate:
        return
    averages: list[Tensor] = list(average.parameters())
    weights: list[Tensor] = list(network.parameters())
    torch._foreach_lerp_(averages, weights, 1 - rate)
    for target, source in zip(average.buffers(), network.buffers(), strict=True):
        target.copy_(source)


def _curves(log: list[dict[str, float]]) -> Curves:
    names = list(log[0])[1:] if log else []
    steps = [entry["step"] for entry in log]
    return {name: {"x": steps, "y": [float(f"{entry[name]:.6g}") for entry in log]} for name in names}
