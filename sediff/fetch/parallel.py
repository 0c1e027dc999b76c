"""Work in threads that a run may leave behind: an interrupted run need not wait for a server that is silent."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
GRACE = 1.0  # seconds for all threads to end by themselves


@dataclass(frozen=True)
class Done(Generic[Result]):
    """An item's result."""

    result: Result


@dataclass(frozen=True)
class Ended:
    """A thread has no more to do: nothing is left, or `error` was raised."""

    error: BaseException | None = None


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int, stop: Event) -> Iterator[Result]:
    """Yield the results as they come. The first exception is raised here, and `stop` set, which `work` should heed."""
    told: SimpleQueue[Done[Result] | Ended] = SimpleQueue()
    iterator, lock = iter(items), threading.Lock()

    def serve() -> None:
        try:
            while not stop.is_set():
                with lock:
                    item = next(iterator)
                told.put(Done(work(item)))
            told.put(Ended())
        except StopIteration:
            told.put(Ended())
        except BaseException as error:
            told.put(Ended(error))

    workers = [threading.Thread(target=serve, daemon=True) for _ in range(threads)]
    try:
        for worker in workers:
            worker.start()
        running = threads
        while running:
            event = told.get()
            if isinstance(event, Done):
                yield event.result
            elif event.error:
                raise event.error
            else:
                running -= 1
    finally:
        stop.set()
        until = monotonic() + GRACE
        for worker in workers:
            if worker.is_alive():
                worker.join(max(0.0, until - monotonic()))
