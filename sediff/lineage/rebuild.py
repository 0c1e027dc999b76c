"""Synthetic records made again from what they were made of, and compared byte by byte."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import LEADS
from sediff.files import sha256_json
from sediff.lineage.tables import numbered_shards, opened, row_at

Make = Callable[[Sequence[dict[str, Any]]], NDArray[np.int16]]  # rows to signals (n, 12, samples), µV


@dataclass(frozen=True)
class Difference:
    """A record that came out otherwise: how many samples differ, and by how much at most."""

    record_id: str
    samples: int
    microvolts: int


def sample_of(synthesis: Path, requests: Sequence[str], count: int) -> list[dict[str, Any]]:
    """So many synthetic records with their signals, the same for the same datasets.

    Raises:
        UserError: a request has not been made, or a shard is damaged.
    """
    places = []
    for request in requests:
        for path in numbered_shards(synthesis / request / "records").values():
            with opened(path) as file:
                places += [(request, path, row) for row in range(file.metadata.num_rows)]
    names = [(request, path.name, row) for request, path, row in places]
    order = np.random.default_rng(int(sha256_json(names)[:16], 16)).permutation(len(places))
    rows = (row_at(path, row, ()) for _, path, row in (places[number] for number in sorted(order[:count].tolist())))
    return [row.values for row in rows if row is not None]


def differences(rows: Sequence[dict[str, Any]], make: Make) -> dict[str, Difference]:
    """Of the records that are not, byte by byte, what `make` gives: how they differ, by id."""
    found = {}
    for row, again in zip(rows, make(rows), strict=True):
        if again.astype("<i2").tobytes() != row["signal"]:
            before = np.frombuffer(row["signal"], "<i2").reshape(len(LEADS), -1).astype(np.int64)
            gap = np.abs(before - again)
            found[row["record_id"]] = Difference(row["record_id"], int((gap > 0).sum()), int(gap.max()))
    return found
