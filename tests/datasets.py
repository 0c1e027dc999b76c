"""A synthetic dataset as the synthesis stage lays one out: several shards, several row groups."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sediff.records import SIGNAL, signal_column, write_table

COUNT, SHARD = 21, 8
TEXT = 'sinus rhythm <b>"é"</b>'


def signals() -> np.ndarray:
    """Smooth waves beside the largest and the smallest values there are."""
    rng, time = np.random.default_rng(0), np.arange(1000) / 100
    waves = rng.normal(0, 500, (COUNT, 12, 1)) * np.sin(2 * np.pi * rng.uniform(1, 20, (COUNT, 12, 1)) * time)
    made = np.rint(waves).astype(np.int16)
    made[:, 3, 400:402] = [32767, -32767]
    return made


def rows() -> list[dict]:
    return [
        {
            "record_id": f"dataset/{index:06d}",
            "request": "dataset",
            "seed": 7,
            "index": index,
            "try": index % 2,
            "text": TEXT,
            "age": None if index == 0 else 4.0 * index,
            "sex": (None, "male", "female")[index % 3],
            "heart_rate": 71.25,
            "axis": None,
            "statements": ["SR", "NORM"] if index else [],
            "experience_id": "query:abc" if index else "",
            "experience": "Rhythm: sinus rhythm." if index else "",
            "distiller": "offline" if index else "",
            "neighbours": ["virtual/00001", "virtual/00002"] if index else [],
            "similarities": [1.0, 0.5] if index else [],
            "confidence": 0.5 if index else None,
            "exact_similarity": 0.75 if index else None,
            "meaning_similarity": 0.25 if index else None,
            "model": "a" * 64,
            "fingerprint": "f" * 64,
        }
        for index in range(COUNT)
    ]


def write_dataset(folder: Path) -> None:
    """Write `records/shard-NNN.parquet`."""
    table = pa.Table.from_pylist(rows()).append_column(SIGNAL, signal_column(signals()))
    for number, start in enumerate(range(0, COUNT, SHARD)):
        write_table(table.slice(start, SHARD), folder / f"records/shard-{number:03d}.parquet")
