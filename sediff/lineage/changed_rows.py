"""Which rows of a Parquet file changed, as far as its rows can tell."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

NAMES = ("record_id", "profile_id", "key", "path", "statement")  # columns that name a row, the first that is there
SHOWN = 5
READING = (OSError, pa.ArrowException)


def changed_rows(path: Path, original: Path | None) -> str:
    """Which rows of a changed file are not as they were, in words.

    With the original (DVC's cache) every row is compared. Without it a row group that cannot be decoded is named, and
    else nothing can be told.

    Args:
        original: the file as it was recorded, or None where there is no intact copy.
    """
    try:
        with pq.ParquetFile(path) as file:
            if original is None:
                return _without_original(file)
            with pq.ParquetFile(original) as before:
                return _compared(file, before)
    except READING:
        return "it cannot be opened as Parquet"


def _compared(file: pq.ParquetFile, before: pq.ParquetFile) -> str:
    if file.schema_arrow != before.schema_arrow:
        return "its columns are others"
    broken = _unreadable(file, before)
    if broken:
        return broken
    now, then = (_rows(one) for one in (file, before))
    name = _naming(before.schema_arrow.names)
    own, old = now[name].to_pylist(), then[name].to_pylist()
    added, gone = sorted(set(map(str, own)) - set(map(str, old))), sorted(set(map(str, old)) - set(map(str, own)))
    told = [_told("row", gone, "is gone", "are gone"), _told("row", added, "is new", "are new")]
    if not added and not gone and len(own) == len(old):
        changed = [place for place in range(len(old)) if not now.slice(place, 1).equals(then.slice(place, 1))]
        columns = [column for column in now.column_names if not now[column].equals(then[column])]
        named = [str(old[place]) for place in changed]
        told = [_told("record", named, f"changed in {', '.join(columns)}", f"changed in {', '.join(columns)}")]
    return "; ".join(filter(None, told)) or "all its rows are as they were, and only the bytes around them changed"


def _without_original(file: pq.ParquetFile) -> str:
    return _unreadable(file, None) or (
        "its rows can be read, and without a copy in DVC's cache it cannot be told which of them changed"
    )


def _unreadable(file: pq.ParquetFile, before: pq.ParquetFile | None) -> str:
    """The rows of the first row group that cannot be decoded; "" where all can."""
    start = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        try:
            file.read_row_group(group)
        except READING:
            ids = _ids(before or file, group)
            within = f" ({ids[0]} to {ids[-1]})" if ids else ""
            return f"rows {start} to {start + count - 1}{within} cannot be decoded"
        start += count
    return ""


def _ids(file: pq.ParquetFile, group: int) -> list[str]:
    try:
        name = _naming(file.schema_arrow.names)
        return [str(value) for value in file.read_row_group(group, columns=[name])[name].to_pylist()]
    except (*READING, IndexError):
        return []


def _rows(file: pq.ParquetFile) -> pa.Table:
    return file.read().combine_chunks()


def _naming(names: Sequence[str]) -> str:
    return next((name for name in NAMES if name in names), names[0])


def _told(noun: str, names: Sequence[str], one: str, many: str) -> str:
    if not names:
        return ""
    listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return f"{noun}{'s' if len(names) > 1 else ''} {listed} {many if len(names) > 1 else one}"
