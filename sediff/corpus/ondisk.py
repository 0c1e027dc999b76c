"""Values by key, in a temporary file of SQLite's: a table of any length is joined within a few MB of memory."""

import json
import sqlite3
from typing import Any


class OnDisk:
    """JSON values by text or number; the file has no name and goes with the object."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")  # nobody reads it after a crash
        self._rows.execute("CREATE TABLE kept (key PRIMARY KEY, value TEXT) WITHOUT ROWID")

    def add(self, key: str | int, value: Any = None) -> bool:
        """Keep a value; False, and the earlier one stays, where the key is there already."""
        statement = "INSERT OR IGNORE INTO kept VALUES (?, ?)"
        return self._rows.execute(statement, (key, json.dumps(value))).rowcount == 1

    def get(self, key: str | int) -> Any:
        """The value of a key; None where there is none."""
        row = self._rows.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return row and json.loads(row[0])
