"""Processes that do not outlive the one that started them, however it ended, and work that is shared among several."""

import ctypes
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized

from sediff.errors import UserError

PR_SET_PDEATHSIG = 1
DIES_WITH_PARENT = "SEDIFF_DIES_WITH_PARENT"  # set by a run for its stages; one started by hand may be left alone
# Calls a function for each shard, here or elsewhere, in any order, and gives the results as they come.
Runner = Callable[[Callable[[int], int], Sequence[int]], Iterable[int]]
_number = 0


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, by `kill -9` too; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def worker_number() -> int:
    """Which of the processes of `in_processes` this is, from 0; 0 in any other."""
    return _number


def in_processes(workers: int, advice: str = "run again, and it goes on where it stopped") -> Runner:
    """A runner on this machine, in as many processes; what is left is not begun once one shard fails.

    Args:
        advice: what a user does where a process was killed.
    """

    def run(function: Callable[[int], int], shards: Sequence[int]) -> Iterator[int]:
        if workers == 1 or len(shards) < 2:
            yield from map(function, shards)
            return
        context = get_context("spawn")
        numbers = context.Value("i", 0)
        with ProcessPoolExecutor(min(workers, len(shards)), context, _begin, (numbers,)) as pool:
            try:
                yield from (future.result() for future in [pool.submit(function, shard) for shard in shards])
            except BrokenProcessPool:
                raise UserError(f"A worker process was killed, or memory ran out: {advice}.") from None
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    return run


def _begin(numbers: "Synchronized[int]") -> None:
    """What a worker does first: take the next number."""
    global _number
    die_with_parent()
    with numbers.get_lock():
        _number, numbers.value = numbers.value, numbers.value + 1
