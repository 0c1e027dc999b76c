"""Which records a step sees, and getting them ready while the step before still computes."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor

from sediff.seeds import generator


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


class Prefetched:
    """Steps with their batches on the device; a thread gathers the next one meanwhile.

    `waited` is the seconds for which a step had to wait for its batch, the first one's left out.
    """

    def __init__(
        self, steps: Iterator[tuple[int, Tensor]], batch: Callable[[Tensor], Any], device: torch.device
    ) -> None:
        self.steps, self.batch, self.device = steps, batch, device
        self.waited = 0.0

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
            waiting = thread.submit(self._next)
            first = True
            while True:
                started = time.perf_counter()
                ready = waiting.result()
                self.waited += 0.0 if first else time.perf_counter() - started
                first = False
                if ready is None:
                    return
                waiting = thread.submit(self._next)
                yield ready

    def _next(self) -> tuple[int, Any] | None:
        step, rows = next(self.steps, (None, None))
        if step is None or rows is None:
            return None
        return step, send_to_device(self.batch(rows), self.device, non_blocking=True)
