"""Shards of a dataset on disk, each with its checksum beside it, so that an interrupted dataset goes on.

records/shard-000000.parquet   rows and signals
.shards/identity.json          what the dataset is a function of
.shards/000000.json            the checksum of a finished shard, written after it
"""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sediff.datasheet.facts import SCHEMA_VERSION
from sediff.errors import UserError
from sediff.files import read_json, sha256_file, write_json
from sediff.progress import log_line
from sediff.records import write_table

RECORDS, JOURNAL, IDENTITY = "records", ".shards", "identity.json"
MANIFEST = "manifest.json"  # of a dataset's folder, written last


class Shards:
    """The shards in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.records, self._journal = folder, folder / RECORDS, folder / JOURNAL

    def open(self, identity: Mapping[str, Any]) -> None:
        """Begin a dataset, or go on with it.

        Args:
            identity: what the bytes depend on, under names that a user understands.

        Raises:
            UserError: the folder holds records of another identity, or others that nothing here made.
        """
        self._require_own()
        path = self._journal / IDENTITY
        before = self._read(path)
        if before is None and path.is_file():
            raise UserError(f"{path} is damaged, so what {self.records} holds is not known: --fresh makes it again.")
        differs = [] if before is None else _differing(before, identity)
        if differs:
            raise UserError(
                f"{self.folder} holds a dataset of another {differs[0]}: give another folder, or --fresh to replace it."
            )
        for temporary in (*self.records.glob(".*"), *self._journal.glob(".*")):
            temporary.unlink()
        write_json(path, dict(identity))

    def unfinished(self, count: int) -> list[int]:
        """Which of so many shards have yet to be made; one that is not as it was written is named.

        Raises:
            UserError: something else lies among them, which would be taken for records.
        """
        own = {self.path(number).name for number in range(count)}
        for path in sorted(self.records.glob("*")):
            if path.name not in own or not path.is_file():
                raise UserError(f"{path} is no shard of this dataset: move it away, and run again.")
        left = [number for number in range(count) if not self._intact(number)]
        for path in (self.path(number) for number in left if self._read(self._entry(number)) is not None):
            log_line(f"{path} is {'changed or truncated' if path.exists() else 'gone'}: it is made again")
        return left

    def finished_with_other(self, names: Collection[str], identity: Mapping[str, Any], count: int) -> bool:
        """Whether so many shards are there of an identity that differs in some of these names, and in nothing else.

        Such a dataset can be read, and nothing can be added to it.
        """
        before = self._read(self._journal / IDENTITY)
        differs = [] if before is None else _differing(before, identity)
        return bool(differs) and set(differs) <= set(names) and all(map(self._intact, range(count)))

    def write(self, number: int, table: pa.Table) -> None:
        """Write a shard, then its checksum.

        Raises:
            UserError: the disk is full, or the folder cannot be written to.
        """
        path = self.path(number)
        try:
            write_table(table, path, SCHEMA_VERSION)
            write_json(self._entry(number), {"sha256": sha256_file(path)})
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({error.strerror or error}): free some space, or mend that, and run again; "
                "it goes on where it stopped."
            ) from None

    def path(self, number: int) -> Path:
        """Where a shard is."""
        return self.records / f"shard-{number:06d}.parquet"

    def copy(self, folder: Path) -> None:
        """Copy the finished records into another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.records.glob("shard-*.parquet")):
            shutil.copyfile(path, folder / path.name)

    def remove(self) -> None:
        """Remove what `open` and `write` made, so that another dataset can be begun.

        The identity goes last: as long as anything is left, killed or not, it says whose the folder is.

        Raises:
            UserError: the folder holds records that nothing here made.
        """
        self._require_own()
        shutil.rmtree(self.records, ignore_errors=True)
        for entry in self._journal.glob("*"):
            if entry.name != IDENTITY:
                entry.unlink()
        shutil.rmtree(self._journal, ignore_errors=True)

    def _require_own(self) -> None:
        if any(self.records.glob("*")) and not (self._journal / IDENTITY).is_file():
            raise UserError(f"{self.records} holds records that were not made here: give another folder.")

    def _entry(self, number: int) -> Path:
        return self._journal / f"{number:06d}.json"

    def _intact(self, number: int) -> bool:
        entry, path = self._read(self._entry(number)), self.path(number)
        return entry is not None and path.is_file() and sha256_file(path) == entry.get("sha256")

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        """A file of the journal; None where it is missing or damaged."""
        try:
            value = read_json(path)
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None


def _differing(before: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    return [name for name, value in identity.items() if before.get(name) != value]
