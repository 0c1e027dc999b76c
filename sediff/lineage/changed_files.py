"""Which files of an out changed, and which rows or bytes of those, as far as it can be told."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sediff.lineage.changed_rows import changed_rows
from sediff.lineage.dvc_hash import FOLDER, Cache, listing_of
from sediff.lineage.project import Project


def changed_files(
    project: Project, cache: Cache, out: Mapping[str, Any], listing: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Paths in an out, "" for itself, and what is the matter with each: by DVC's cache, or the run that made it.

    Args:
        out: as dvc.lock has it, with its stage.
        listing: the hashes of its files as they are here.
    """
    if not out["md5"].endswith(FOLDER):
        yield "", f"changed since it was made: {_rows_of(project.root / out['path'], cache, out['md5'])}"
        return
    recorded = listing_of(out["md5"], [cache.listing(out["md5"]) or {}, *_run_listings(project, out)])
    if recorded is None:
        yield "", "changed since it was made, in a file that cannot be told: neither DVC's cache nor runs/ lists them"
        return
    for name in sorted(recorded.keys() | listing.keys()):
        if name not in listing:
            yield name, "is missing: `dvc checkout` restores it where the cache has it"
        elif name not in recorded:
            yield name, "is no file of the stage's: it came here later"
        elif listing[name] != recorded[name]:
            changed = _rows_of(project.root / out["path"] / name, cache, recorded[name])
            yield name, f"changed since it was made: {changed}"


def _rows_of(path: Path, cache: Cache, md5: str) -> str:
    original = cache.intact(md5)
    if path.suffix == ".parquet":
        return changed_rows(path, original)
    if original is None:
        return "its hash is another"
    now, then = path.read_bytes(), original.read_bytes()
    place = next((k for k, (a, b) in enumerate(zip(now, then, strict=False)) if a != b), min(len(now), len(then)))
    return f"first at byte {place}" + (
        f", and it has {len(now)} bytes for {len(then)}" if len(now) != len(then) else ""
    )


def _run_listings(project: Project, out: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What the stage's runs wrote down of the files of an out."""
    begin = f"{out['path']}/"
    for run in project.all_runs(out["stage"]) if out["stage"] else ():
        yield {name.removeprefix(begin): md5 for name, md5 in run.get("files", {}).items() if name.startswith(begin)}
