"""Tables of ECG records on disk: Parquet shards with one fixed-size binary column of signals.

A folder of records holds `shard-NNN.parquet`. Signals are 12 leads × 1000 samples of little-endian
int16 microvolts; the other columns differ between the corpus and synthetic datasets.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sediff.ecg import LEADS, SAMPLES
from sediff.errors import UserError
from sediff.files import damaged, replacing

SIGNAL_BYTES = len(LEADS) * SAMPLES * 2
SIGNAL = pa.field("signal", pa.binary(SIGNAL_BYTES), nullable=False)
ROWS_PER_GROUP = 512
VERSION = b"schema_version"  # in a Parquet schema's metadata
READING = (OSError, pa.ArrowException)  # what Arrow raises where a file is missing, cut or garbled


def write_table(table: pa.Table, path: Path, version: int | None = None) -> None:
    """Write one Parquet file atomically, the same bytes for the same rows; with the version of its schema."""
    if version is not None:
        table = table.replace_schema_metadata({VERSION: str(version)})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROWS_PER_GROUP)


def require_version(path: Path, version: int, stage: str) -> None:
    """Refuse a table that was written with another version of its schema; one that states none is of version 1.

    Raises:
        UserError: it is of another version, or damaged.
    """
    try:
        stated = (pq.read_schema(path).metadata or {}).get(VERSION, b"1")
    except READING:
        raise damaged(path) from None
    if stated != str(version).encode():
        raise UserError(f"{path} is of another version: run the {stage} stage again.")


def read_table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a Parquet file that a stage made, or some of its columns.

    Raises:
        UserError: it is missing or damaged, or lacks one of the columns.
    """
    return pl.DataFrame(pl.from_arrow(_read(path, columns)))


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The same, some rows at a time."""
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, columns)
            yield from file.iter_batches(columns=list(columns))
    except READING:
        raise damaged(path) from None


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        _check_columns(path, _names(path), columns or ())
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except READING:
        raise damaged(path) from None


def _check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    if not set(wanted) <= set(names):  # Arrow would leave them out
        raise damaged(path)


def signal_column(signals: NDArray[np.int16]) -> pa.Array:
    """Pack signals (n, 12, 1000), int16 microvolts, into the binary column."""
    data = np.ascontiguousarray(signals, dtype="<i2")
    return pa.Array.from_buffers(SIGNAL.type, len(data), [None, pa.py_buffer(data.tobytes())])


def shards(folder: Path) -> list[Path]:
    """The shards of a folder in order; a folder without any is a user's error."""
    found = sorted(folder.glob("shard-*.parquet"))
    if not found:
        raise UserError(f"{folder} holds no records (shard-*.parquet): run the stage that makes it first.")
    return found


def read_columns(folder: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read every column but the signals (or the named ones), in shard order."""
    frames = []
    for path in shards(folder):
        frames.append(read_table(path, columns or [name for name in _names(path) if name != SIGNAL.name]))
    return pl.concat(frames)


def _names(path: Path) -> list[str]:
    try:
        return pq.read_schema(path).names
    except READING:
        raise damaged(path) from None


def unpack_signals(column: pa.ChunkedArray) -> NDArray[np.int16]:
    """Binary column of n rows to int16 microvolts (n, 12, 1000)."""
    chunks: Iterable[pa.Array] = column.chunks
    parts = []
    for chunk in chunks:
        start = chunk.offset * SIGNAL_BYTES
        raw = np.frombuffer(chunk.buffers()[1], np.uint8)[start : start + len(chunk) * SIGNAL_BYTES]
        parts.append(raw.view("<i2").reshape(len(chunk), len(LEADS), SAMPLES))
    return np.concatenate(parts) if parts else np.empty((0, len(LEADS), SAMPLES), np.int16)


def read_signals(folder: Path, rows: NDArray[np.bool_] | None = None) -> NDArray[np.int16]:
    """Read signals in the order of `read_columns`: (n, 12, 1000), int16 microvolts.

    `rows` is a mask over all rows; only one shard is held besides the result.
    """
    parts, start = [], 0
    for path in shards(folder):
        signals = unpack_signals(_read(path, [SIGNAL.name])[SIGNAL.name])
        keep = slice(None) if rows is None else rows[start : start + len(signals)]
        start += len(signals)
        parts.append(signals[keep])
    return np.concatenate(parts)
