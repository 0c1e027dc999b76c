"""Which versions were made from somebody: those whose corpus has their records, or set them aside."""

from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow.parquet as pq

from sediff.lineage.dvc_hash import Cache
from sediff.publication.sound import CORPUS
from sediff.publication.store import Lock, bring_out, lock_at, outs_of
from sediff.publication.versions import Version, names, revoked, versions

IDS = ("record_id", "patient_id")
Meant = Callable[[str, str], bool]  # whether a record of a patient is one that is asked about


def versions_with(root: Path, records: Collection[str], patients: Collection[str]) -> dict[str, str]:
    """What is known here of each version, the last first: that it has somebody, or that it cannot be told.

    Versions that have nobody are left out. Nothing is fetched.
    """
    cache, told, found = Cache(root), dict[str, bool | None](), dict[str, str]()
    for name in names(root):
        gone = revoked(root, name)
        for version in versions(root, name):
            lock = lock_at(root, version.commit)
            corpus = outs_of(lock).get(CORPUS, "")  # many nights have the same
            if corpus not in told:
                told[corpus] = lock_has(cache, lock, lambda record, patient: record in records or patient in patients)
            if told[corpus] is not False:
                what = "made from it" if told[corpus] else "its corpus is not here, so it cannot be told"
                found[str(version)] = f"{what}; revoked" if version.number in gone else what
    return found


def has_touched(root: Path, version: Version, meant: Meant) -> bool | None:
    """Whether a version's corpus has somebody; None where it is nowhere, so that it cannot be told.

    Its corpus is fetched where DVC's cache lacks it.

    Raises:
        UserError: DVC's remote does not answer.
    """
    lock, cache = lock_at(root, version.commit), Cache(root)
    bring_out(root, cache, outs_of(lock).get(CORPUS, ""))
    return lock_has(cache, lock, meant)


def lock_has(cache: Cache, lock: Lock, meant: Meant) -> bool | None:
    """Whether the corpus of a dvc.lock has somebody; None where DVC's cache does not have it all."""
    listing = cache.listing(outs_of(lock).get(CORPUS, ""))
    if listing is None:
        return None
    there = [cache.path(md5) for name, md5 in listing.items() if name.endswith(".parquet")]
    if not all(path.is_file() for path in there):
        return None
    return any(table_has(path, meant) for path in there)


def table_has(path: Path, meant: Meant) -> bool:
    """Whether a table of the corpus, or what it set aside, names somebody."""
    with pq.ParquetFile(path) as file:
        columns = [name for name in IDS if name in file.schema_arrow.names]
        rows = (row for batch in file.iter_batches(columns=columns) for row in batch.to_pylist())
        return any(meant(row["record_id"], row.get("patient_id", "")) for row in rows)
