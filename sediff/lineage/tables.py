"""Rows of Parquet files by an id, read through the files' statistics: a few row groups, whatever the table's size.

Kept to pyarrow alone, so that a question to a table of a million rows is answered before polars would be loaded.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sediff.errors import UserError
from sediff.files import damaged


@dataclass(frozen=True)
class Found:
    """A row: where it stands, and what it says."""

    path: Path
    row: int
    values: dict[str, Any]


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file that a stage made.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException):
        raise damaged(path) from None


def numbered_shards(folder: Path) -> dict[int, Path]:
    """The shards of a folder by their numbers.

    Raises:
        UserError: there is none.
    """
    found = {int(path.stem.partition("-")[2]): path for path in folder.glob("shard-*.parquet")}
    if not found:
        raise UserError(f"{folder} holds no records (shard-*.parquet): run its stage, or `dvc pull`, first.")
    return dict(sorted(found.items()))


def row_at(path: Path, row: int, without: Collection[str]) -> Found | None:
    """A row by its place in a file, or None where the file ends before it.

    Args:
        without: columns that are not wanted.
    """
    with opened(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if row < start + count:
                names = [name for name in file.schema_arrow.names if name not in without]
                part = file.read_row_group(group, columns=names).slice(row - start, 1)
                return Found(path, row, part.to_pylist()[0])
            start += count
    return None


def find_rows(
    paths: Iterable[Path], column: str, wanted: Iterable[str], columns: Sequence[str] | None = None
) -> dict[str, Found]:
    """The first row with each id, of those that are there.

    Args:
        column: of ids; the files' statistics say which row groups may have one.
        columns: what to read of a row; all but the signal by default.

    Raises:
        UserError: a file is missing or damaged.
    """
    missing, found = sorted(set(wanted)), dict[str, Found]()
    for path in paths:
        if not missing:
            break
        with opened(path) as file:
            for there in _rows_in(path, file, column, missing, columns):
                found.setdefault(there.values[column], there)
        missing = [name for name in missing if name not in found]
    return found


def _rows_in(
    path: Path, file: pq.ParquetFile, column: str, wanted: Sequence[str], columns: Sequence[str] | None
) -> Iterator[Found]:
    names = file.schema_arrow.names
    if column not in names or not set(columns or ()) <= set(names):
        raise damaged(path)
    read = [name for name in names if name != "signal"] if columns is None else [column, *columns]
    leaf = [file.schema.column(place).path for place in range(len(file.schema))].index(column)
    start, known = 0, set(wanted)
    for group in range(file.num_row_groups):
        about = file.metadata.row_group(group)
        if _may_have(about.column(leaf).statistics, wanted):
            ids = file.read_row_group(group, columns=[column])[column].to_pylist()
            places = [place for place, name in enumerate(ids) if name in known]
            if places:
                part = file.read_row_group(group, columns=list(dict.fromkeys(read)))
                for place in places:  # not take(): it would load pandas
                    yield Found(path, start + place, part.slice(place, 1).to_pylist()[0])
        start += about.num_rows


def _may_have(statistics: pq.Statistics | None, wanted: Sequence[str]) -> bool:
    """Whether a row group may have one of the ids, which are sorted."""
    if statistics is None or not statistics.has_min_max:
        return True
    place = bisect_left(wanted, statistics.min)
    return place < len(wanted) and wanted[place] <= statistics.max
