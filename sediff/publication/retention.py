"""`sediff gc`: which versions stay, and the removal of what none of them, nor a working tree, needs.

Tags and commits stay, so what was published when can be told for ever; `pull` of a version that was let go says so.
Prefect's history is let go by `flows/history.py`.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sediff.errors import UserError
from sediff.files import replacing
from sediff.lineage.openlineage import FILE as EVENTS
from sediff.publication.git import git
from sediff.publication.params import RetentionParams
from sediff.publication.store import Kept, Store, added_at, added_in, kept_by, lock_at, lock_in, outs_of, stores
from sediff.publication.versions import Version, current, names, revoked, versions
from sediff.publication.workspace import FOLDER, fetch_all

OWN = Path(".sediff")
DAY = 86_400.0  # s
LOGS = OWN / "failures.log", EVENTS  # lines that nothing else is made from, so the last ones do
LONGEST_LOG = 1_000_000  # bytes


@dataclass(frozen=True)
class Collection:
    """What stays, and what is let go.

    Attributes:
        live: versions that stay.
        objects: by store, paths in it that nothing needs.
        work: folders of work in progress that nobody asked for in as many days as there are nightly versions.
        logs: files of which the first lines go, as they are longer than `LONGEST_LOG`.
    """

    live: list[Version]
    objects: list[tuple[Store, list[str]]]
    work: list[Path]
    logs: list[Path]


def plan_collection(root: Path, params: RetentionParams, own_cache: bool = False) -> Collection:
    """What may go.

    Args:
        own_cache: see `stores`.

    Raises:
        UserError: what a live version consists of cannot be told, a git remote does not answer, or the
            cache may be others' too.
    """
    places = stores(root, own_cache)
    fetch_all(root)
    live = [version for name in names(root) for version in live_versions(root, name, params)]
    heads = git(root, "for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes").split()
    commits = [*(version.commit for version in live), *heads]
    locks = [*(lock_at(root, commit) for commit in commits), *(lock_in(place) for place in (root, root / FOLDER))]
    added = {md5 for commit in commits for _, md5 in added_at(root, commit)}
    added |= {md5 for place in (root, root / FOLDER) for _, md5 in added_in(place)}
    live_outs = {md5 for version in live for md5 in outs_of(lock_at(root, version.commit)).values()}
    kept = kept_by(root, locks, added, needed=live_outs)
    return Collection(
        live,
        [(store, list(store.unneeded(Kept(kept.objects, None)))) for store in places],
        sorted(_old_work(root, params.nightly)),
        [path for path in _logs(root) if path.is_file() and path.stat().st_size > LONGEST_LOG],
    )


def live_versions(root: Path, name: str, params: RetentionParams) -> list[Version]:
    """The last nightly ones, the last of each of the last months, those with a tag of a person's, the one served."""
    gone = revoked(root, name)
    known = [version for version in versions(root, name) if version.number not in gone]
    served = current(root, name)
    months: dict[str, Version] = {}
    for version in known:
        months.setdefault(_month(root, version), version)
    kept = {*known[: params.nightly], *list(months.values())[: params.monthly], *([served] if served else [])}
    if params.tagged == "all":
        kept |= {version for version in known if _has_own_tag(root, version)}
    return [version for version in versions(root, name) if version in kept]


def _month(root: Path, version: Version) -> str:
    return git(root, "for-each-ref", "--format=%(creatordate:format:%Y-%m)", f"refs/tags/{version}")


def _has_own_tag(root: Path, version: Version) -> bool:
    """Whether a person gave the version's commit a tag, besides those of publication."""
    tags = git(root, "tag", "--points-at", version.commit).split()
    return any(not tag.startswith((f"{version.name}@", f"{version.name}#")) for tag in tags)


def _old_work(root: Path, days: int) -> Iterator[Path]:
    """Work in progress that nobody asked for in so many days."""
    since = time.time() - days * DAY
    for place in (root, root / FOLDER):
        for folder in (place / OWN / "work").glob("*/*"):
            if folder.is_dir() and folder.stat().st_mtime < since:
                yield folder
    yield from (root / OWN).glob("version-*")  # of a `sediff verify` that was killed


def collect(root: Path, found: Collection) -> None:
    """Remove it.

    Raises:
        UserError: something cannot be removed; run again, and it goes on.
    """
    try:
        for store, paths in found.objects:
            store.remove(paths)
        for folder in found.work:
            shutil.rmtree(folder)
        for log in found.logs:
            _keep_end(log)
    except OSError as error:
        raise UserError(f"{error.filename or 'A log'} cannot be removed ({error.strerror}): run again.") from None


def _logs(root: Path) -> list[Path]:
    """Files that every run appends to, of the checkout and of the worktree."""
    return [place / log for place in (root, root / FOLDER) for log in LOGS]


def _keep_end(path: Path) -> None:
    """Let the first lines of a long log go."""
    lines = path.read_bytes()[-LONGEST_LOG:].split(b"\n", 1)
    with replacing(path) as temporary:
        temporary.write_bytes(lines[-1])
