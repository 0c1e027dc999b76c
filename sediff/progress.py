"""Progress of a long step: a bar on a terminal, a line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Log = Callable[[str], None]

SECONDS_BETWEEN_LINES = 10.0
BARS = "SEDIFF_BARS"  # set by a run on a terminal for its stages, whose own stderr is a pipe


def log_line(message: str) -> None:
    """Print one line at once, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


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
    if sys.stderr.isatty() or os.environ.get(BARS):
        with tqdm(total=total, desc=label, file=sys.stderr, leave=False, ncols=100) as bar:
            for item in items:
                yield item
                bar.set_postfix_str(note(), refresh=False)
                bar.update(amount(item))
        return
    started = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += amount(item)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and done != total:
            rate = done / (now - started)
            left = f", {(total - done) / rate:.0f} s left" if total else ""
            said = f", {note()}" if note() else ""
            log(f"{label}: {done}{f' of {total}' if total else ''} ({rate:.3g}/s{left}{said})")
            last = now
