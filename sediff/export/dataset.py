"""Records of a synthetic dataset on disk, one row group at a time, so that memory does not grow with their number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sediff.errors import UserError
from sediff.export.record import NEEDED, Record
from sediff.files import damaged
from sediff.records import READING, SIGNAL, shards, unpack_signals

RECORDS = "records"
Rows = dict[int, Sequence[int]]  # those that are wanted, by row group


@dataclass(frozen=True)
class Batch:
    """Rows of a dataset: every column but the signals, and those, (n, 12, 1000) int16 µV."""

    columns: pa.Table
    signals: NDArray[np.int16]

    def records(self) -> Iterator[Record]:
        """The same, one by one."""
        for row, signal in zip(self.columns.to_pylist(), self.signals, strict=True):
            yield Record.of_row(row, signal)


class SyntheticDataset:
    """A folder with `records/shard-*.parquet`, or some of its records.

    Args:
        first: as many, from the start; None for all.
        indices: those with these values of the column `index`, in the dataset's order; None for all.

    Raises:
        UserError: the folder has no records, some are damaged or no synthetic ones, or an index is not there.
    """

    def __init__(self, folder: Path, first: int | None = None, indices: Sequence[int] | None = None) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder: name one that `sediff synthesize` or the synthesis stage made.")
        self.folder, self.paths = folder, shards(folder / RECORDS)
        self._schemas = [_schema(path) for path in self.paths]
        self._rows: list[Rows] = self._first(first) if indices is None else self._of(indices)

    def __len__(self) -> int:
        return sum(len(rows) for groups in self._rows for rows in groups.values())

    @property
    def columns(self) -> pa.Schema:
        """All columns but the signals."""
        schema = self._schemas[0]
        return schema.remove(schema.get_field_index(SIGNAL.name)).remove_metadata()

    def batches(self) -> Iterator[Batch]:
        """The chosen rows; at most one row group is held."""
        for table in self.tables():
            signals = unpack_signals(table[SIGNAL.name])
            yield Batch(table.drop_columns([SIGNAL.name]).replace_schema_metadata(), signals)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All columns of the chosen rows, or some, a row group at a time."""
        names = None if columns is None else list(columns)
        for path, groups in zip(self.paths, self._rows, strict=True):
            for group, rows in groups.items():
                table = _row_group(path, group, names)
                yield table if len(rows) == len(table) else table.take(pa.array(rows, pa.int64()))

    def _first(self, count: int | None) -> list[Rows]:
        """The rows that are wanted, of each shard."""
        left = count
        wanted: list[Rows] = []
        for path in self.paths:
            groups: Rows = {}
            for group, rows in enumerate(_group_sizes(path)):
                taken = rows if left is None else min(rows, left)
                if taken:
                    groups[group] = range(taken)
                left = None if left is None else left - taken
            wanted.append(groups)
        return wanted

    def _of(self, indices: Sequence[int]) -> list[Rows]:
        missing = set(indices)
        wanted: list[Rows] = []
        sought = pa.array(sorted(missing), pa.int64())
        for path in self.paths:
            groups: Rows = {}
            for group, _ in enumerate(_group_sizes(path)):
                column = _row_group(path, group, ["index"])["index"]
                rows = np.flatnonzero(pc.is_in(column, sought).to_numpy()).tolist()
                missing.difference_update(column.take(pa.array(rows, pa.int64())).to_pylist())
                if rows:
                    groups[group] = rows
            wanted.append(groups)
        if missing:
            raise UserError(f"{self.folder} has no record with index {min(missing)}: `index` counts from 0.")
        return wanted


def _schema(path: Path) -> pa.Schema:
    """The columns of a shard, once they are those of synthetic records."""
    try:
        schema = pq.read_schema(path)
    except READING:
        raise damaged(path) from None
    missing = [name for name in NEEDED if name not in schema.names]
    if missing:
        raise UserError(
            f"{path} holds no synthetic records (it has no column {missing[0]}): export those of a request."
        )
    if schema.field(SIGNAL.name).type != SIGNAL.type:
        raise damaged(path)
    return schema


def _row_group(path: Path, group: int, columns: list[str] | None) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(group, columns)
    except READING:
        raise damaged(path) from None


def _group_sizes(path: Path) -> list[int]:
    try:
        metadata = pq.read_metadata(path)
    except READING:
        raise damaged(path) from None
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
