"""Work in threads that a run may leave behind: an interrupted run need not wait for a server that is silent."""

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from threading import Event
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
GRACE = 1.0  # seconds for all threads to end by themselves


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int, stop: Event) -> Iterator[Result]:
    """Yield the results as they come. The first exception is raised here, and `stop` set, which `work` should heed."""
    done: SimpleQueue[tuple[Result | None, BaseException | None, bool]] = SimpleQueue()
    iterator, lock = iter(items), threading.Lock()

    def serve() -> None:
        try:
            while not stop.is_set():
                with lock:
                    item = next(iterator)
                done.put((work(item), None, False))
            done.put((None, None, True))
        except StopIteration:
            done.put((None, None, True))
        except BaseException as error:
            done.put((None, error, True))

    workers = [threading.Thread(target=serve, daemon=True) for _ in range(threads)]
    try:
        for worker in workers:
            worker.start()
        running = threads
        while running:
            result, error, ended = done.get()
            if error:
                raise error
            running -= ended
            if not ended:
                yield result  # type: ignore[misc]
    finally:
        stop.set()
        until = monotonic() + GRACE
        for worker in workers:
            if worker.is_alive():
                worker.join(max(0.0, until - monotonic()))
