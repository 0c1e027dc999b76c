"""All that a folder's files hold, in plain bytes, so that a search for a few of them misses nothing."""

import gzip
import io
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ZSTD = b"\x28\xb5\x2f\xfd"
ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file as it is, with what is in it where it is a table or compressed, and each git repository's objects.

    A repository's are all of them, loose or packed, whether a branch leads to them or not.
    """
    for path in sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()):
        content = path.read_bytes()
        yield path, content
        for plain in _inside(path, content):
            yield path, plain
        if path.name == "HEAD" and (path.parent / "objects").is_dir():
            yield path.parent, _objects(path.parent)


def unpacked(content: bytes) -> Iterator[bytes]:
    """What bytes hold that gzip, zip (so NumPy's npz), zstd or zlib have packed, one in the other too."""
    try:
        for plain in _layer(content):
            yield plain
            yield from unpacked(plain)
    except (zlib.error, zipfile.BadZipFile, OSError, EOFError, pa.ArrowException):  # they only began like one
        return


def _layer(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            yield from map(members.read, members.namelist())
    elif content.startswith(ZSTD):
        yield pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    elif content.startswith(ZLIB):
        yield zlib.decompress(content)


def _inside(path: Path, content: bytes) -> Iterator[bytes]:
    """Cells of a Parquet file or a database, else what is packed."""
    if content.startswith(b"PAR1"):
        for column in pq.read_table(path).columns:
            yield from _cells(column.to_pylist())
    elif content.startswith(b"SQLite format 3"):
        yield from _tables(path)
    else:
        yield from unpacked(content)


def _tables(path: Path) -> Iterator[bytes]:
    """Those of a copy: who opens a database may write what its log still has into it."""
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as rows:
            for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                yield from _cells(cell for row in rows.execute(f'SELECT * FROM "{name}"') for cell in row)


def _cells(values: Iterable[object]) -> Iterator[bytes]:
    """Cells one after the other, then what is packed in them."""
    cells = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    yield b"\n".join(cells)
    yield b"\n".join(plain for cell in cells for plain in unpacked(cell))


def _objects(repository: Path) -> bytes:
    listing = ["git", "--git-dir", str(repository), "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(listing, capture_output=True, check=True).stdout
