"""The search that other tests rest on when they say that something is nowhere: wherever it is hidden, it is found."""

import gzip
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipeline.nightly import said
from tests.pipeline.plain import ZSTD, contents

SECRET = b"99003c0ffee"
AROUND = np.random.default_rng(0).bytes(2000).hex().encode()  # sixteen letters, so that packing rewrites each of them
TEXT = AROUND + SECRET + AROUND


def _sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as rows, rows:
        rows.execute("CREATE TABLE kept (packed BLOB)")
        rows.execute("INSERT INTO kept VALUES (?)", (zlib.compress(TEXT),))


def _npz(path: Path) -> None:
    np.savez_compressed(path, signal=np.frombuffer(TEXT, np.uint8))


def _packed(folder: Path) -> None:
    """A bare repository with the text in a pack alone, in a commit that no branch has any more."""
    folder.mkdir()
    said(folder, "git", "init", "-q", "work")
    work = folder / "work"
    author = ("git", "-c", "user.name=t", "-c", "user.email=t@t")
    for name, content in (("a", AROUND), ("b", TEXT)):
        (work / name).write_bytes(content)
        said(work, "git", "add", name)
        said(work, *author, "commit", "-qm", name)
    said(work, "git", "repack", "-adq")
    said(work, "git", "reset", "-q", "--hard", "HEAD~1")
    (work / ".git").rename(folder / "remote.git")
    assert not (work / "b").exists() and not list((folder / "remote.git/objects").glob("??/*"))


HIDING = {
    "gzip": lambda path: path.write_bytes(gzip.compress(TEXT)),
    "zstd": lambda path: path.write_bytes(pa.compress(TEXT, "zstd", asbytes=True)),
    "zstd in gzip": lambda path: path.write_bytes(gzip.compress(pa.compress(TEXT, "zstd", asbytes=True))),
    "npz": _npz,
    "parquet": lambda path: pq.write_table(pa.table({"signal": [TEXT]}), path, compression="zstd"),
    "sqlite": _sqlite,
    "git": _packed,
}


@pytest.mark.parametrize("how", HIDING)
def test_what_is_packed_is_found(how, tmp_path):
    HIDING[how](tmp_path / "hidden.npz")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET in path.read_bytes()], "as it is, no file shows it"
    assert [path for path, content in contents(tmp_path) if SECRET in content]


def test_what_only_begins_like_something_packed_is_looked_at_as_it_is(tmp_path):
    for start in (b"\x1f\x8b", b"PK\x03\x04", ZSTD, b"\x78\x9c"):
        (tmp_path / "file").write_bytes(start + SECRET)
        assert [content for _, content in contents(tmp_path)] == [start + SECRET]
