"""Caches in SQLite: a damaged one holds nothing that cannot be made again; a full disk is no damage."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sediff.errors import UserError

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
PRIMARY = 0xFF  # of an error's code; what is above says more precisely where it came from
Result = TypeVar("Result")


def with_cache(path: Path, work: Callable[[], Result]) -> Result:
    """Call `work`, which uses the database at `path`; where that is damaged, once more without it.

    Raises:
        UserError: the disk is full, or the database cannot be read or written; what it holds is kept.
    """
    try:
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if _code(error) not in DAMAGED:
                raise
            for part in (path, path.with_name(f"{path.name}-journal")):
                part.unlink(missing_ok=True)
            return work()
    except sqlite3.DatabaseError as error:
        if _code(error) == sqlite3.SQLITE_FULL:
            raise UserError(f"{path}: the disk is full; free some space and run again, and it goes on.") from None
        raise UserError(f"{path} cannot be read or written ({error}): mend that, or remove it to start anew.") from None


def _code(error: sqlite3.DatabaseError) -> int:
    """What went wrong, as SQLite numbers it; -1 where Python itself found fault."""
    return getattr(error, "sqlite_errorcode", -1) & PRIMARY
