"""Raw sources: where they lie on this machine, and inventories of what they hold.

A source's name and reader stand in params.yaml, its path in `.sediff/local.yaml`. Its inventory (path, size,
SHA-256 of each file, no times, no absolute path) is what the pipeline depends on.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
import yaml
from pydantic import Field

from sediff.errors import UserError
from sediff.files import read_json, replacing, sha256_file, write_json
from sediff.progress import track
from sediff.section import Section

VIRTUAL = "virtual"  # the name of the corpus that the project simulates itself
SUFFIXES = frozenset({".hea", ".dat", ".mat", ".csv", ".gz"})
NOT_READ = frozenset({"records500"})  # PTB-XL's second sampling rate
SCHEMA = {"path": pl.String, "size": pl.Int64, "sha256": pl.String}


Sharing = Literal["open", "restricted"]


class SourceParams(Section):
    """A raw corpus: who reads it, what it is called and who may see it. Its path is a local setting."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="logical name, first part of each record's id")
    reader: Literal["ptb-xl"] = Field(description="layout of the folder")
    sharing: Sharing = "open"


@dataclass(frozen=True)
class Source:
    """A raw corpus on this machine: its folder, and the inventory of that folder."""

    name: str
    reader: str
    sharing: str
    root: Path
    inventory: Path


def locate(params: Sequence[SourceParams], settings: Path, inventories: Path) -> list[Source]:
    """Join the sources of params.yaml with their paths in `.sediff/local.yaml`.

    Raises:
        UserError: a source has no path here, or its folder is missing.
    """
    paths = read_local_paths(settings)
    sources = []
    for source in params:
        if source.name not in paths:
            raise UserError(f"{settings} has no path for source {source.name}: run `sediff configure --corpus PATH`.")
        root = Path(paths[source.name]).expanduser()
        if not root.is_dir():
            raise UserError(f"{root}, the folder of source {source.name}, is missing: correct it in {settings}.")
        inventory = inventories / f"{source.name}.parquet"
        sources.append(Source(source.name, source.reader, source.sharing, root, inventory))
    return sources


def read_local_paths(settings: Path) -> dict[str, str]:
    """Paths by source name from `.sediff/local.yaml`; empty where there is no such file."""
    if not settings.exists():
        return {}
    try:
        paths = (yaml.safe_load(settings.read_text(encoding="utf-8")) or {}).get("sources", {})
        return {str(name): str(path) for name, path in paths.items()}
    except (yaml.YAMLError, AttributeError):
        raise UserError(f"{settings} cannot be read: it should hold `sources:` with a path for each name.") from None


def write_local_path(settings: Path, name: str, root: Path) -> None:
    """Keep the path of one source in `.sediff/local.yaml`."""
    paths = {**read_local_paths(settings), name: str(root)}
    with replacing(settings) as temporary:
        temporary.write_text(yaml.safe_dump({"sources": paths}), encoding="utf-8")


def scan(source: Source, cache: Path) -> str:
    """Write the source's inventory; a file whose size and time are as in `cache` is not read again.

    Returns:
        One line that says what is there.

    Raises:
        UserError: the folder holds no file that a reader could use.
    """
    known = read_json(cache) if cache.exists() else {}
    found = sorted(_files(source.root))
    if not found:
        raise UserError(f"{source.root} holds no recordings (.hea, .dat) or tables (.csv): check the path.")
    seen, rows, read = {}, [], 0
    for path in track(found, len(found), f"scan of {source.name}: files"):
        name = path.relative_to(source.root).as_posix()
        stat = path.stat()
        size, modified, digest = known.get(name, (None, None, ""))
        if (size, modified) != (stat.st_size, stat.st_mtime_ns):
            digest, read = sha256_file(path), read + 1
        seen[name] = (stat.st_size, stat.st_mtime_ns, digest)
        rows.append((name, stat.st_size, digest))
    write_json(cache, seen)
    inventory = pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("path")
    if not (source.inventory.exists() and pl.read_parquet(source.inventory).equals(inventory)):
        with replacing(source.inventory) as temporary:
            inventory.write_parquet(temporary)
    return f"{source.name}: {len(rows)} files, {read} of them new or changed"


def inventory_hashes(source: Source) -> dict[str, str]:
    """SHA-256 of each file of a source by its relative path, as it was scanned.

    Raises:
        UserError: the source has not been scanned.
    """
    if not source.inventory.is_file():
        raise UserError(f"{source.inventory} is missing: run `sediff scan`, which makes it.")
    inventory = pl.read_parquet(source.inventory)
    return dict(zip(inventory["path"], inventory["sha256"], strict=True))


def check_unchanged(source: Source, hashes: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuse files that are not those of the inventory; one that is in neither place is nobody's concern here.

    Raises:
        UserError: names the file that changed since the source was scanned.
    """
    for name in names:
        path = source.root / name
        if (sha256_file(path) if path.is_file() else None) != hashes.get(name):
            raise UserError(f"{path} changed since it was scanned: run `sediff scan`, or `sediff run`, again.")


def _files(root: Path) -> Iterator[Path]:
    """Files that a reader could use; links to folders are not followed, links to files must stay inside."""
    real_root = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in NOT_READ)
        for name in names:
            path = Path(folder) / name
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(real_root):
                continue
            yield path
