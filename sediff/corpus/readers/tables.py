"""Tables beside the recordings, read line by line: CSV in UTF-8, with or without a byte order mark."""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from sediff.corpus.ondisk import OnDisk
from sediff.corpus.readers.base import RawRecord, Rejection
from sediff.errors import UserError

Row = dict[str, str]

LARGEST = 2**62  # of a whole number; what is larger is no id and no fold
LONGEST = 4000  # characters of a path, under what any system takes
# What a cell that is not what its column promises makes of a row.
ROW_ERRORS = (ValueError, TypeError, SyntaxError, ArithmeticError, RecursionError, MemoryError)


def read_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, Row | None]]:
    """Each row with the number of its line; None for a row that has too few or too many cells.

    Raises:
        UserError: the table is missing, is no CSV in UTF-8, or lacks a column.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: point the source at the folder that holds {path.name}.")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            names = next(reader, [])
            _check_columns(path, names, columns)
            for cells in reader:
                if cells:
                    whole = len(cells) == len(names)
                    yield reader.line_num, dict(zip(names, cells, strict=True)) if whole else None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read as UTF-8 ({error.reason}): mend or replace it.") from None
    except (csv.Error, OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read as CSV ({error}): mend or replace it.") from None


def _check_columns(path: Path, names: list[str], columns: Iterable[str]) -> None:
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}: is it another table?")
    if len(set(names)) < len(names):
        raise UserError(f"{path} has a column twice: mend or replace it.")


def read_records(
    source: str, path: Path, columns: Iterable[str], parse: Callable[[Row], RawRecord]
) -> Iterator[RawRecord | Rejection]:
    """A record for each row; a row that `parse` cannot use or whose id stood before is rejected."""
    seen = OnDisk()
    for number, row in read_rows(path, columns):
        try:
            if row is None:
                raise ValueError("too few or too many cells")
            record = parse(row)
            if not seen.add(record.record_id):
                raise ValueError(f"{record.record_id} stands twice")
        except ROW_ERRORS as error:
            yield bad_row(source, f"line-{number}", path, number, error)
            continue
        yield record


def bad_row(source: str, name: str, path: Path, number: int, error: Exception) -> Rejection:
    """The rejection, under a name of its own, of one line of a table."""
    return Rejection(source, f"{source}/{name}", path.name, "bad_table_row", f"{path.name} line {number}: {error}")


def integer(row: Row, column: str) -> int:
    """A whole number, also written as 15709.0.

    Raises:
        ValueError: it is none.
    """
    try:
        number = int(row[column]) if row[column].isdecimal() else int(float(row[column]))
        if abs(number) > LARGEST:
            raise OverflowError
        return number
    except (ValueError, OverflowError):
        raise ValueError(f"{column} is {row[column]!r}, not a number") from None


def inside(text: str) -> Path:
    """A record's path, relative to the source's folder (a name that is not UTF-8 is not printable either).

    Raises:
        ValueError: it could leave the folder, or is no plain name.
    """
    path = PurePosixPath(text)
    plain = text.isprintable() and "\\" not in text
    if not path.parts or path.is_absolute() or ".." in path.parts or not plain or len(text) > LONGEST:
        raise ValueError(f"{text[:200]!r} is no path inside the source")
    return Path(path)
