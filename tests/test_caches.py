"""Faults of SQLite that really happen: what is dropped, what is kept, and what is said."""

import sqlite3
from pathlib import Path

import pytest

from sediff.caches import with_cache
from sediff.errors import UserError
from sediff.sources import scan
from tests.corpus.raw import ecg, write_wfdb

FILES = 400


class Full(sqlite3.Connection):
    """A connection whose databases cannot grow, as on a full disk: SQLite raises what it raises there."""

    def execute(self, statement, *arguments):
        result = super().execute(statement, *arguments)
        if statement.startswith(("ATTACH", "CREATE")):
            for _, name, _ in super().execute("PRAGMA database_list").fetchall():
                super().execute(f"PRAGMA {name}.max_page_count = 1")  # at least as many as there are
        return result


@pytest.fixture
def full_disk(monkeypatch):
    """Switch it on: the disk is full from now on."""
    connect = sqlite3.connect
    return lambda module: monkeypatch.setattr(f"{module}.sqlite3.connect", lambda path: connect(path, factory=Full))


def test_a_scan_on_a_full_disk_is_a_sentence_and_forgets_nothing(scanned, tmp_path, full_disk, monkeypatch):
    root = tmp_path / "raw"
    root.mkdir()
    for number in range(FILES):
        (root / f"{number}.dat").write_text("known")
    source, cache = scanned(root), tmp_path / "scan/virtual.sqlite"
    for number in range(FILES):
        (root / f"{number}-{'long name' * 10}.dat").write_text("new")
    with monkeypatch.context():
        full_disk("sediff.sources")
        with pytest.raises(UserError, match=r"virtual\.sqlite: the disk is full; free some space"):
            scan(source, cache)
        monkeypatch.undo()
    assert f"{2 * FILES} files, {FILES} of them new" in scan(source, cache), "what was hashed before is known"


def test_headers_on_a_full_disk_are_a_sentence_and_stay(scanned, vocabulary, tmp_path, full_disk, monkeypatch):
    from sediff.corpus.describe import list_records
    from sediff.corpus.listing import Listing

    def listed() -> tuple[int, int]:
        listing = Listing(tmp_path / "listing.sqlite", 1)
        return list_records([source], vocabulary, 0, listing, tmp_path / "headers.sqlite")

    write_wfdb(tmp_path / "raw/0", ecg())
    source = scanned(tmp_path / "raw", reader="wfdb")
    assert listed() == (1, 0)
    for number in range(1, 4):
        words = " ".join(str(hash((number, word))) for word in range(2000))  # which cannot be packed into a page
        write_wfdb(tmp_path / f"raw/{number}", ecg(seed=number), comments=(words,))
    source = scanned(tmp_path / "raw", reader="wfdb")
    full_disk("sediff.corpus.inventory")
    with pytest.raises(UserError, match="the disk is full; free some space"):
        listed()
    monkeypatch.undo()
    assert listed() == (3, 0), "the header that was known is not opened again"


def test_a_damaged_database_is_dropped_and_made_anew(tmp_path):
    path = tmp_path / "cache.sqlite"

    def count() -> int:
        known = sqlite3.connect(path)
        known.execute("CREATE TABLE IF NOT EXISTS files (name TEXT)")
        known.executemany("INSERT INTO files VALUES (?)", [("x" * 500,)] * 50)
        known.commit()
        return known.execute("SELECT COUNT(*) FROM files").fetchone()[0]

    assert (with_cache(path, count), with_cache(path, count)) == (50, 100)
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096  # "database disk image is malformed"
    path.write_bytes(content)
    assert with_cache(path, count) == 50
    path.write_bytes(b"no database, and long enough not to look like an empty one" * 50)
    assert with_cache(path, count) == 50


def test_a_database_that_cannot_be_opened_is_a_sentence(tmp_path):
    folder = tmp_path / "cache.sqlite"
    folder.mkdir()
    with pytest.raises(UserError, match=r"cache\.sqlite cannot be read or written \(unable to open database file\)"):
        with_cache(folder, lambda: sqlite3.connect(folder).execute("CREATE TABLE a (b)"))
    assert Path(folder).is_dir()
