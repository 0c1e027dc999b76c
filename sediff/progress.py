"""Progress of a long step: a bar on a terminal, a line now and then elsewhere, and all of it to who listens."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Log = Callable[[str], None]

SECONDS_BETWEEN_LINES = 10.0
BARS = "SEDIFF_BARS"  # set by a run on a terminal for its stages, whose own stderr is a pipe


class Listener(Protocol):
    """Hears what this process says; it must return at once, and raise nothing."""

    def line(self, message: str) -> None:
        """A line that a terminal without bars shows."""

    def share(self, label: str, done: int, total: int) -> None:
        """How much of a step is done."""


_listeners: list[Listener] = []


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear all that is said within the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def log_line(message: str) -> None:
    """Print one line at once, above any progress bar."""
    tqdm.write(message, file=sys.stderr)
    _to_listeners(message)


def _to_listeners(message: str) -> None:
    for listener in _listeners:
        listener.line(message)


def track(
    items: Iterable[Item],
    total: int | None,
    label: str,
    log: Log = log_line,
    note: Callable[[], str] = str,
    amount: Callable[[Item], int] = lambda item: 1,
) -> Iterator[Item]:
    """Yield items and show how many are done, the rate and, where the total is known, the time left.

    `note` gives what else there is to say, such as a loss; `amount` how much of the total an item is.
    """
    bars = sys.stderr.isatty() or bool(os.environ.get(BARS))
    say = _to_listeners if bars else log  # a bar tells it already
    started = last = time.monotonic()
    done = 0
    with tqdm(total=total, desc=label, file=sys.stderr, leave=False, ncols=100, disable=not bars) as bar:
        for item in items:
            yield item
            size = amount(item)
            done += size
            if bars:
                bar.set_postfix_str(note(), refresh=False)
                bar.update(size)
            for listener in _listeners if total else ():
                listener.share(label, done, total or done)
            now = time.monotonic()
            if now - last >= SECONDS_BETWEEN_LINES and done != total:
                say(_progress_line(label, done, total, done / (now - started), note()))
                last = now


def _progress_line(label: str, done: int, total: int | None, rate: float, said: str) -> str:
    left = f", {(total - done) / rate:.0f} s left" if total else ""
    return f"{label}: {done}{f' of {total}' if total else ''} ({rate:.3g}/s{left}{f', {said}' if said else ''})"
