"""Files as they were scanned: their hashes, and the headers among them, on disk and joined by hash.

A header that was read once is kept by its hash, so a corpus that grew by a thousand records opens a thousand headers.
"""

import hashlib
import sqlite3
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path

from sediff.corpus.readers.base import ReadHeader, content_of
from sediff.exclusions import NOBODY, RAW_FILE, Exclusions
from sediff.sources import Source, check_unchanged, read_inventory

COMMITTED = 5000  # headers after which they are made safe


class Inventory:
    """The files of all sources by their hashes at the scan.

    Attributes:
        opened: how many headers were read from their source.
    """

    def __init__(self, headers: Path, exclusions: Exclusions = NOBODY) -> None:
        """An inventory of no source yet.

        Args:
            headers: database of contents by hash, made where it is missing.
            exclusions: whose headers are not read.
        """
        self._exclusions = exclusions
        headers.parent.mkdir(parents=True, exist_ok=True)
        self.opened = 0
        self._rows = sqlite3.connect("")  # a temporary file; the transaction holds for the kept headers
        self._rows.execute("ATTACH ? AS kept", (str(headers),))
        self._rows.execute("PRAGMA main.journal_mode = OFF")
        self._rows.execute("PRAGMA kept.secure_delete = ON")  # what was withdrawn is gone
        columns = "source TEXT, path TEXT, sha256 TEXT, PRIMARY KEY (source, path)"
        self._rows.execute(f"CREATE TABLE files ({columns}) WITHOUT ROWID")
        columns = "sha256 TEXT PRIMARY KEY, content BLOB"
        self._rows.execute(f"CREATE TABLE IF NOT EXISTS kept.headers ({columns}) WITHOUT ROWID")

    def add(self, source: Source) -> None:
        """Take in what a source's scan found.

        Raises:
            UserError: the source has not been scanned.
        """
        rows = ((source.name, path, sha256) for path, sha256 in read_inventory(source))
        self._rows.executemany("INSERT INTO files VALUES (?, ?, ?)", rows)

    def sha256(self, source: str, path: str) -> str | None:
        """The hash of a file by its path relative to the source's folder; None if it was not there at the scan."""
        query = "SELECT sha256 FROM files WHERE source = ? AND path = ?"
        row = self._rows.execute(query, (source, path)).fetchone()
        return row and row[0]

    def reader(self, source: Source) -> ReadHeader:
        """What gives the headers of a source as they were scanned."""
        return partial(self._header, source)

    def _header(self, source: Source, name: str) -> bytes:
        """A header's content; none of one that was withdrawn, or is too large to be read.

        Raises:
            UserError: the header is not the one that was scanned.
        """
        if self._exclusions.has(RAW_FILE, f"{source.name}/{name}"):
            return b""
        scanned = self.sha256(source.name, name)
        kept = self._kept(scanned)
        if kept is not None:
            return kept
        content = content_of(source.root, name)
        if hashlib.sha256(content).hexdigest() != scanned:
            check_unchanged(source, {} if scanned is None else {name: scanned}, [name])
            return b""
        self._rows.execute("INSERT OR REPLACE INTO kept.headers VALUES (?, ?)", (scanned, zlib.compress(content)))
        self.opened += 1
        if self.opened % COMMITTED == 0:
            self._rows.commit()
        return content

    def _kept(self, sha256: str | None) -> bytes | None:
        row = self._rows.execute("SELECT content FROM kept.headers WHERE sha256 = ?", (sha256,)).fetchone()
        with suppress(zlib.error):  # damaged, and read again
            content = zlib.decompress(row[0]) if row else b""
            if row and hashlib.sha256(content).hexdigest() == sha256:
                return content
        return None

    def close(self) -> None:
        """Make the headers safe, without those that no source has any more."""
        self._rows.execute("DELETE FROM kept.headers WHERE sha256 NOT IN (SELECT sha256 FROM files)")
        self._rows.commit()
        self._rows.close()
