"""Many records on ECG paper at once, in several processes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sediff.export.formats import draw
from sediff.export.record import Record
from sediff.processes import in_processes

WORTH_A_PROCESS = 25  # pictures: about the time in which one starts


def draw_all(records: Sequence[Record], paths: Sequence[Path], workers: int) -> None:
    """Draw each record as `formats.draw` does, in at most so many processes.

    Raises:
        UserError: one of them was killed.
    """
    pairs = list(zip(records, paths, strict=True))
    parts = max(1, min(workers, len(pairs) // WORTH_A_PROCESS))
    run = in_processes(parts, f"{paths[0].parent} lacks pictures, so give another folder")
    for _ in run(partial(_draw_part, [pairs[part::parts] for part in range(parts)]), range(parts)):
        pass


def _draw_part(parts: Sequence[Sequence[tuple[Record, Path]]], number: int) -> int:
    for record, path in parts[number]:
        draw(record, path)
    return len(parts[number])
