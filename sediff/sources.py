"""Raw sources: where they lie on this machine, and inventories of what they hold.

A source's name and reader stand in params.yaml, its path in `.sediff/local.yaml`. Its inventory (path, size,
SHA-256 of each file, no times, no absolute path) is what the pipeline depends on.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import Field

from sediff.caches import with_cache
from sediff.errors import UserError
from sediff.files import replacing, sha256_file
from sediff.progress import track
from sediff.section import Section

VIRTUAL = "virtual"  # the name of the corpus that the project simulates itself
SUFFIXES = frozenset({".hea", ".dat", ".mat", ".csv", ".gz"})
SCHEMA = pa.schema([("path", pa.string()), ("size", pa.int64()), ("sha256", pa.string())])
COMMITTED = 5000  # files after which the cache is made safe
BATCH = 65_536  # rows of an inventory that are held at once when it is written,
READ = 4_096  # and when it is read


Sharing = Literal["open", "restricted"]


class SourceParams(Section):
    """A raw corpus: who reads it, what it is called and who may see it. Its path is a local setting."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="logical name, first part of each record's id")
    reader: str = Field(description="layout of the folder, by the name of its reader")
    sharing: Sharing = "open"


@dataclass(frozen=True)
class Source:
    """A raw corpus on this machine: its folder, and the inventory of that folder."""

    name: str
    reader: str
    sharing: str
    root: Path
    inventory: Path

    def resolved(self) -> "Source":
        """The same with absolute paths, for processes in other folders."""
        return replace(self, root=self.root.resolve(), inventory=self.inventory.resolve())


def locate(params: Sequence[SourceParams], settings: Path, inventories: Path) -> list[Source]:
    """Join the sources of params.yaml with their paths in `.sediff/local.yaml`.

    Raises:
        UserError: a source has no path here, its folder is missing, or another source has the same one.
    """
    paths = read_local_paths(settings)
    sources: list[Source] = []
    for source in params:
        if source.name not in paths:
            raise UserError(f"{settings} has no path for source {source.name}: run `sediff configure --corpus PATH`.")
        root = Path(paths[source.name]).expanduser()
        if not root.is_dir():
            raise UserError(f"{root}, the folder of source {source.name}, is missing: correct it in {settings}.")
        refuse_same_folder(source.name, root, {other.name: other.root for other in sources})
        inventory = inventories / f"{source.name}.parquet"
        sources.append(Source(source.name, source.reader, source.sharing, root, inventory))
    return sources


def refuse_same_folder(name: str, root: Path, others: Mapping[str, Path]) -> None:
    """Refuse a folder that is another source's too: its patients would have two ids, and stand in training and in test.

    Raises:
        UserError: names both.
    """
    for other, folder in others.items():
        if folder.resolve() == root.resolve():
            raise UserError(
                f"{root} is the folder of source {other} and of {name}, and its patients would be in training and in "
                "test: keep one of them."
            )


def read_local_paths(settings: Path) -> dict[str, str]:
    """Paths by source name from `.sediff/local.yaml`; empty where there is no such file."""
    if not settings.exists():
        return {}
    try:
        paths = (yaml.safe_load(settings.read_text(encoding="utf-8")) or {}).get("sources", {})
        return {str(name): str(path) for name, path in paths.items()}
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
        raise UserError(f"{settings} cannot be read: it should hold `sources:` with a path for each name.") from None


def write_local_path(settings: Path, name: str, root: Path) -> None:
    """Keep the path of one source in `.sediff/local.yaml`."""
    paths = {**read_local_paths(settings), name: str(root)}
    with replacing(settings) as temporary:
        temporary.write_text(yaml.safe_dump({"sources": paths}), encoding="utf-8")


def scan(
    source: Source,
    cache: Path,
    ignored: frozenset[str] = frozenset(),
    verify: bool = False,
    leaves_out: Callable[[str], bool] = lambda _: False,
) -> str:
    """Write the source's inventory; a file whose size and time are as in `cache` is not read again.

    Files stream from the folder through a small database to the inventory, so memory does not grow with them.

    Args:
        cache: database of path, size, modification time and hash of each file.
        ignored: names of folders that the source's reader does not read.
        verify: read and hash every file, whatever its size and time say.
        leaves_out: whether a file, as source/path, was withdrawn and is not to be named anywhere.

    Returns:
        One line that says what is there.

    Raises:
        UserError: the folder holds no file that a reader could use, or the disk is full.
    """
    return with_cache(cache, lambda: _scan(source, cache, ignored, verify, leaves_out))


def _scan(source: Source, cache: Path, ignored: frozenset[str], verify: bool, leaves_out: Callable[[str], bool]) -> str:
    read = count = 0
    with closing(_open(cache)) as known:
        known.execute("UPDATE files SET seen = 0")
        for path in track(_files(source.root, ignored), None, f"scan of {source.name}: files"):
            name, stat = path.relative_to(source.root).as_posix(), path.stat()
            if leaves_out(f"{source.name}/{name}"):
                continue
            if count % COMMITTED == 0:
                known.commit()  # so that a kill costs the last files only
            found = known.execute("SELECT size, modified FROM files WHERE path = ?", (name,)).fetchone()
            if verify or found != (stat.st_size, stat.st_mtime_ns):
                row = (name, stat.st_size, stat.st_mtime_ns, _sha256(path))
                known.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, 1)", row)
                read += 1
            else:
                known.execute("UPDATE files SET seen = 1 WHERE path = ?", (name,))
            count += 1
        known.execute("DELETE FROM files WHERE seen = 0")
        known.commit()
        if not count:
            raise UserError(f"{source.root} holds no recordings (.hea, .dat, .mat) or tables (.csv): check the path.")
        _write_inventory(known, source.inventory)
    return f"{source.name}: {count} files, {read} of them new or changed"


def _open(cache: Path) -> sqlite3.Connection:
    """The database, a new one where it is missing; its journal makes a kill harmless."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    known = sqlite3.connect(cache)
    known.execute("PRAGMA secure_delete = ON")  # what was withdrawn is gone
    columns = "path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, sha256 TEXT, seen INTEGER"
    known.execute(f"CREATE TABLE IF NOT EXISTS files ({columns}) WITHOUT ROWID")
    return known


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend its permissions, or scan again.") from None


def _write_inventory(known: sqlite3.Connection, inventory: Path) -> None:
    """Write the rows in the order of their paths; an inventory that says the same stays untouched."""
    rows = known.execute("SELECT path, size, sha256 FROM files ORDER BY path")
    with replacing(inventory) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        while batch := rows.fetchmany(BATCH):
            columns = zip(*batch, strict=True)
            writer.write_table(pa.table(dict(zip(SCHEMA.names, map(list, columns), strict=True)), SCHEMA))


def read_inventory(source: Source) -> Iterator[tuple[str, str]]:
    """Relative path and SHA-256 of each file of a source as it was scanned, in the order of paths.

    Raises:
        UserError: the source has not been scanned, or the inventory is damaged.
    """
    try:
        with pq.ParquetFile(source.inventory) as file:
            for batch in file.iter_batches(READ, columns=["path", "sha256"]):
                yield from zip(batch["path"].to_pylist(), batch["sha256"].to_pylist(), strict=True)
    except (OSError, pa.ArrowException):
        raise UserError(f"{source.inventory} is missing or damaged: run `sediff scan`, which makes it.") from None


def check_unchanged(source: Source, hashes: Mapping[str, str | None], names: Iterable[str]) -> None:
    """Refuse files that are not those of the inventory; one that is in neither place is nobody's concern here.

    Raises:
        UserError: names the file that changed since the source was scanned.
    """
    for name in names:
        path = source.root / name
        if (sha256_file(path) if path.is_file() else None) != hashes.get(name):
            raise UserError(f"{path} changed since it was scanned: run `sediff scan`, or `sediff run`, again.")


def _files(root: Path, ignored: frozenset[str]) -> Iterator[Path]:
    """Files that a reader could use; links to folders are not followed, links to files must stay inside."""
    real_root = root.resolve()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be listed ({error.strerror}): mend its permissions.")

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if name not in ignored)
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            if not path.name.isprintable() or not folder.isprintable():
                raise UserError(f"{str(path)!r} has a name that is not UTF-8 or not printable: rename or remove it.")
            if path.is_symlink() and not path.resolve().is_relative_to(real_root):
                continue
            yield path
