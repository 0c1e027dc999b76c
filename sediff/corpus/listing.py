"""Listed records in a database on disk, by shard and id: whatever their number, a few hundred are held at once."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from sediff.corpus.readers import RawRecord, Rejection
from sediff.records import ROWS_PER_GROUP

TABLES = (
    "CREATE TABLE listed (shard INTEGER, record_id TEXT, patient_id TEXT, fold INTEGER, said TEXT, files TEXT)",
    "CREATE TABLE rejected (source TEXT, record_id TEXT, path TEXT, reason TEXT, detail TEXT)",
)
RAW = ("record_id", "patient_id", "source", "path", "suffix", "rate", "gain")  # what reading a recording needs


class Listed(NamedTuple):
    """One record: what is said of it, and the hashes of its header and signal at the scan, None where not there."""

    said: dict[str, Any]
    sha256: tuple[str | None, str | None]

    @property
    def record(self) -> RawRecord:
        """The recording to read; what is said of it is not needed for that."""
        return RawRecord(**{name: self.said[name] for name in RAW} | {"path": Path(self.said["path"])})

    @property
    def hashes(self) -> dict[str, str]:
        """The hashes of the files that were there, by path."""
        pairs = zip(self.record.files, self.sha256, strict=True)
        return {name: sha256 for name, sha256 in pairs if sha256 is not None}


@dataclass(frozen=True)
class Listing:
    """Records and rejections in a database; it travels to other processes as its path.

    Attributes:
        path: of the database.
        shards: over how many shards the records are spread.
    """

    path: Path
    shards: int

    def fill(self, entries: Iterable[Listed | Rejection]) -> None:
        """Write all that the sources hold into a new database."""
        self.path.unlink(missing_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._opened()) as rows:
            for table in TABLES:
                rows.execute(table)
            for entry in entries:
                if isinstance(entry, Rejection):
                    rows.execute("INSERT INTO rejected VALUES (?, ?, ?, ?, ?)", astuple(entry))
                else:
                    rows.execute("INSERT INTO listed VALUES (?, ?, ?, ?, ?, ?)", self._row(entry))
            rows.execute("CREATE INDEX by_shard ON listed (shard, record_id)")
            rows.commit()

    def _row(self, listed: Listed) -> tuple[Any, ...]:
        said = listed.said
        shard = patient_hash(said["patient_id"]) % self.shards
        texts = json.dumps(said), json.dumps(listed.sha256)
        return shard, said["record_id"], said["patient_id"], said["fold"], *texts

    def of_shard(self, shard: int) -> Iterator[list[Listed]]:
        """The records of one shard by their id, `ROWS_PER_GROUP` at a time."""
        query = "SELECT said, files FROM listed WHERE shard = ? AND record_id > ? ORDER BY record_id LIMIT ?"
        last = ""
        while True:
            with closing(self._opened()) as rows:  # not for longer, since an open query keeps `reject` waiting
                found = rows.execute(query, (shard, last, ROWS_PER_GROUP)).fetchall()
            if not found:
                return
            batch = [Listed(json.loads(said), tuple(json.loads(files))) for said, files in found]
            yield batch
            last = batch[-1].said["record_id"]

    def folds(self) -> set[int | None]:
        """The folds that hold a record."""
        with closing(self._opened()) as rows:
            return {fold for (fold,) in rows.execute("SELECT DISTINCT fold FROM listed")}

    def in_several_folds(self) -> Iterator[tuple[str, list[int | None]]]:
        """Patients whose records are in more than one fold, and those folds."""
        several = "GROUP BY patient_id HAVING COUNT(DISTINCT fold) + MAX(fold IS NULL) > 1"
        patients = f"SELECT patient_id FROM listed {several}"
        query = f"SELECT DISTINCT patient_id, fold FROM listed WHERE patient_id IN ({patients}) ORDER BY patient_id"
        with closing(self._opened()) as rows:
            for patient, found in groupby(rows.execute(query), key=itemgetter(0)):
                yield patient, [fold for _, fold in found]

    def reject(self, rejections: Iterable[Rejection]) -> None:
        """Add to what is set aside."""
        with closing(self._opened()) as rows, rows:
            rows.executemany("INSERT INTO rejected VALUES (?, ?, ?, ?, ?)", map(astuple, rejections))

    def rejected(self) -> Iterator[list[Rejection]]:
        """All that is set aside, by id and reason, `ROWS_PER_GROUP` at a time."""
        with closing(self._opened()) as rows:
            cursor = rows.execute("SELECT * FROM rejected ORDER BY record_id, reason")
            while found := cursor.fetchmany(ROWS_PER_GROUP):
                yield [Rejection(*row) for row in found]

    def reasons(self) -> dict[str, int]:
        """How many are set aside for each reason, the most frequent first."""
        query = "SELECT reason, COUNT(*) FROM rejected GROUP BY reason ORDER BY COUNT(*) DESC, reason"
        with closing(self._opened()) as rows:
            return dict(rows.execute(query))

    def _opened(self) -> sqlite3.Connection:
        rows = sqlite3.connect(self.path)
        rows.execute("PRAGMA synchronous = OFF")  # a build that was interrupted lists anew
        return rows


def patient_hash(patient_id: str) -> int:
    """A number that depends on the patient's id alone: it chooses shards and, without folds, splits."""
    return int.from_bytes(hashlib.sha256(patient_id.encode()).digest()[:8], "big")
