"""Which files of a copy were verified, so that a later run hashes only what changed since.

`.sediff-fetch` in the copy's folder has one line a file, appended when the file is verified: SHA-256, size, time, path.
A run that is killed loses no more than its last line, and then that file is hashed again.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sediff.errors import UserError
from sediff.fetch.corpora import Corpus
from sediff.fetch.listing import Entry

STATE = ".sediff-fetch"


class Verified:
    """The verified files of a folder. Lines are kept as 16 bytes each: a corpus may have a million files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._marks = {_mark(line.rstrip("\n")) for line in stream}

    def holds(self, entry: Entry, stat: os.stat_result) -> bool:
        """Whether this file, of this size and time, was verified against this hash."""
        return _mark(_line(entry, stat)) in self._marks

    def add(self, entry: Entry, stat: os.stat_result) -> None:
        """Remember a verified file."""
        line = _line(entry, stat)
        if _mark(line) not in self._marks:
            self._marks.add(_mark(line))
            self._stream.write(f"{line}\n")
            self._stream.flush()


@contextmanager
def verified_files(folder: Path, corpus: Corpus) -> Iterator[Verified]:
    """Open a folder's record of verified files, for this process alone.

    Raises:
        UserError: the folder is another corpus's, or another process fetches into it.
    """
    path = folder / STATE
    with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another `sediff fetch` is writing there; wait until it ends.") from None
        stream.seek(0)
        owner = stream.readline()
        if owner and owner != f"{corpus}\n":
            raise UserError(f"{folder} holds {owner.strip()}: give another folder for {corpus}, or delete {path}.")
        if not owner:
            stream.write(f"{corpus}\n")
        verified = Verified(stream)
        stream.write("" if _ends_in_newline(path) else "\n")  # after a line that was cut
        yield verified


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 1))
        return stream.read() in (b"", b"\n")


def _line(entry: Entry, stat: os.stat_result) -> str:
    return f"{entry.digest} {stat.st_size} {stat.st_mtime_ns} {entry.path}"


def _mark(line: str) -> bytes:
    return hashlib.blake2b(line.encode(errors="surrogateescape"), digest_size=16).digest()
