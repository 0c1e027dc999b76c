"""SHA256SUMS.txt: which files a version of a corpus has, and their hashes. Read line by line, for it may be long."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sediff.errors import UserError

LISTING = "SHA256SUMS.txt"
LINE = re.compile(r"([0-9a-fA-F]{64}) [ *]?(\S.*)")


class Entry(NamedTuple):
    """A file of a corpus: its path below the corpus's folder, with slashes, and its SHA-256."""

    path: str
    digest: str


def read_listing(listing: Path, source: str) -> Iterator[Entry]:
    """The files of a listing; `source` is what a refusal calls it.

    Raises:
        UserError: a line is no hash and path, or its path could lie outside the corpus's folder.
    """
    try:
        with listing.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    entry = _entry(line.rstrip("\r\n"), f"{source}, line {number}")
                    if entry.path != LISTING:
                        yield entry
    except UnicodeDecodeError:
        raise UserError(f"{source} is no text of hashes and paths: check --base-url.") from None


def _entry(line: str, where: str) -> Entry:
    match = LINE.fullmatch(line)
    if not match:
        raise UserError(f"{where} is no SHA-256 and path: this is not PhysioNet's listing, check --base-url.")
    path = PurePosixPath(match[2])
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or "\0" in match[2] or parts[0].startswith(".sediff"):
        raise UserError(f"{where} names {match[2]!r}, which is no path inside the corpus: do not trust this server.")
    return Entry(str(path), match[1].lower())


def count_wanted(entries: Iterator[Entry], only: Sequence[str], source: str) -> int:
    """How many files are wanted; reads the whole listing, so that a bad line is met before anything is fetched.

    Raises:
        UserError: there is no file, or none that one of the patterns matches.
    """
    total, unmatched = 0, set(only)
    for entry in entries:
        total += wanted(entry, only)
        unmatched -= {pattern for pattern in unmatched if fnmatchcase(entry.path, pattern)}
    if unmatched:
        patterns = ", ".join(sorted(unmatched))
        raise UserError(f"{source} has no file like --only {patterns}: quote the pattern, as in 'records100/*'.")
    if not total:
        raise UserError(f"{source} names no file: check --base-url.")
    return total


def wanted(entry: Entry, only: Sequence[str]) -> bool:
    """Whether a file matches one of the patterns, of which none means every file; `*` matches slashes too."""
    return not only or any(fnmatchcase(entry.path, pattern) for pattern in only)
