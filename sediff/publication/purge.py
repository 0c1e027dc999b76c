"""`sediff purge`: remove all that may hold somebody who was withdrawn, and keep what versions without them share.

Objects and answers stay only if a version that is not revoked, or a working tree whose corpus has nobody who was
withdrawn, needs them. Caches, work in progress and Prefect's history cannot be told apart by patient and go whole.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sediff.encoder.pinned import PINNED
from sediff.errors import UserError
from sediff.exclusions import FILE, PATIENT, RECORD, Exclusions, read_exclusions
from sediff.files import replacing, sha256_file, write_json
from sediff.knowledge.answers import AnswerStore
from sediff.lineage.ancestor import START, TRACKED
from sediff.lineage.dvc_hash import Cache, files_of
from sediff.params import PARAMS, Params
from sediff.progress import log_line
from sediff.publication.continuing import revoked_start, started_outs
from sediff.publication.health import JOURNAL
from sediff.publication.publish import push_pointers
from sediff.publication.retention import live_versions
from sediff.publication.signature import sign, signing_key
from sediff.publication.sound import CORPUS, sound
from sediff.publication.store import Kept, Lock, Store, added_at, added_in, kept_by, lock_at, lock_in, outs_of, stores
from sediff.publication.touched import has_touched, lock_has, table_has
from sediff.publication.versions import Version, names, revoke, revoked, versions
from sediff.publication.withdraw import judges_saw
from sediff.publication.workspace import ANSWERS, FOLDER, fetch_all

RECORDS = Path("runs/purges")
OWN = Path(".sediff")
INVENTORIES = Path("data/sources")
JUDGES, MADE_JUDGES = "judges.dvc", "data/encoder/judges"  # what else is tracked so is the user's own
CELLS = ("reports/ablation", "reports/study")  # no outs
WHOLE = ("work", "chroma", "failures.log")  # of any working tree,
HISTORY = ("prefect",)  # of the checkout,
OF_TOUCHED = ("parsed", "scan")  # and of one whose corpus has somebody withdrawn; another's are clean when it has run


@dataclass
class Plan:
    """What is to go.

    Attributes:
        paths: files and folders of working trees.
        objects: by store, paths in it.
        revoked: versions with somebody withdrawn; one that another machine published since is marked now.
        stores: where the objects are.
    """

    stores: list[Store]
    revoked: list[Version] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    objects: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """It in lines."""
        found = [f"{store}: {len(paths)} objects, runs and answers" for store, paths in self.objects.items()]
        return [*found, *map(str, self.paths)]


def plan_purge(root: Path, own_cache: bool = False) -> Plan:
    """What may hold somebody who was withdrawn.

    Args:
        own_cache: see `stores`.

    Raises:
        UserError: nobody was withdrawn here, the key of the exclusions is not here, what stays cannot be told, a git
            remote does not answer, or the cache may be others' too.
    """
    exclusions = read_exclusions(root)
    if not exclusions.hashes:
        raise UserError(f"{FILE} names nobody: `sediff withdraw` comes first.")
    plan, cache = Plan(stores=stores(root, own_cache)), Cache(root)
    retention = Params.load(root / PARAMS).publication.retention
    fetch_all(root)
    live, locks, pinned = set[str](), list[Lock](), set[tuple[str, str]]()
    for version in _usable(root, plan, exclusions):
        locks.append(sound(lock_at(root, version.commit)))
        pinned |= added_at(root, version.commit)
        if version in live_versions(root, version.name, retention):
            live |= set(outs_of(locks[-1]).values())
    clean = [place for place in _places(root) if _is_clean(place, cache, exclusions)]
    pinned |= {entry for place in clean for entry in added_in(place)}
    saw = {md5 for name, md5 in pinned if name == JUDGES and judges_saw(root, cache, md5, exclusions)}
    for place in clean:
        used = {md5 for name, md5 in added_in(place) if name == JUDGES} & saw
        without = [MADE_JUDGES] if used else []
        plan.paths += [place / PINNED] if used else []
        if revoked_start(place):
            saw |= {md5 for name, md5 in added_in(place) if name == str(TRACKED)}
            plan.paths.append(place / START)
            without += started_outs(place)
        locks.append(sound(lock_in(place), without))
    safe = {out for lock in locks for out in outs_of(lock).items()}
    for place in _places(root):
        lies = lock_has(cache, lock_in(place), exclusions.leaves_out) is False and place not in clean
        gone = list(_stale(place, set() if lies else safe))
        plan.paths += [*gone, *(place / OWN / name for name in WHOLE)]
        if gone or place not in clean:
            plan.paths += [place / name for name in CELLS]
        if place not in clean:
            plan.paths += [
                place / INVENTORIES,
                place / PINNED,
                place / START,
                *(place / OWN / name for name in OF_TOUCHED),
            ]
    kept = kept_by(root, locks, sorted({md5 for _, md5 in pinned} - saw), needed=live)
    plan.paths += [root / OWN / name for name in HISTORY]
    plan.paths += list((root / OWN).glob("version-*"))
    plan.paths += [path for place in _places(root) for path in _answers(place, kept)]
    plan.paths = sorted({path for path in plan.paths if path.exists()})
    plan.objects = {store.name: list(store.unneeded(kept)) for store in plan.stores}
    return plan


def purge(root: Path, plan: Plan) -> Path:
    """Remove what a plan names; gives the signed record of it, among the runs that the next version keeps.

    Raises:
        UserError: something cannot be removed; run again, and it goes on.
    """
    signing = signing_key(root)[0]  # first, since what is gone must be told
    late = [version for version in plan.revoked if version.number not in revoked(root, version.name)]
    for version in late:
        revoke(root, version, f"{version} is revoked: a patient in it was withdrawn")
    for name in sorted({version.name for version in late}):
        push_pointers(root, name, log_line)
    record = _record(root, plan, signing)
    try:
        for store in plan.stores:
            store.remove(plan.objects.get(store.name, ()))
        for path in plan.paths:
            _remove(path)
        _clean_journal(root, read_exclusions(root))
    except OSError as error:
        raise UserError(f"{error.filename or JOURNAL} cannot be purged ({error.strerror}): run again.") from None
    return _record(root, plan, signing, record)


def _places(root: Path) -> Iterator[Path]:
    yield root
    if (root / FOLDER / "dvc.yaml").is_file():
        yield root / FOLDER


def _usable(root: Path, plan: Plan, exclusions: Exclusions) -> Iterator[Version]:
    """Versions without anybody withdrawn that were not let go; the plan learns of the others."""
    for name in names(root):
        gone = revoked(root, name)
        for version in versions(root, name):
            has = has_touched(root, version, exclusions.leaves_out) if version.number not in gone else True
            if has:
                plan.revoked.append(version)
            elif has is False:
                yield version


def _stale(place: Path, safe: set[tuple[str, str]]) -> Iterator[Path]:
    """What lies in a working tree of outs that are not among the safe ones."""
    outs = outs_of(lock_in(place))
    kept = {place / path for path, md5 in outs.items() if (path, md5) in safe}
    found = (gone for path in outs for gone in _without(place / path, kept))
    yield from (path for path in found if path.exists())


def _without(path: Path, kept: set[Path]) -> Iterator[Path]:
    """An out, or what is in it beside outs that stay: a former stage may have made a folder that they are in now."""
    if any(path.is_relative_to(own) for own in kept):
        return
    if any(own.is_relative_to(path) for own in kept) and path.is_dir():
        for child in sorted(path.iterdir()):
            yield from _without(child, kept)
    else:
        yield path


def _is_clean(place: Path, cache: Cache, exclusions: Exclusions) -> bool:
    """Whether nobody withdrawn is in a working tree's corpus, as its lock has it and as it lies there."""
    return lock_has(cache, lock_in(place), exclusions.leaves_out) is False and not _folder_has(place, exclusions)


def _folder_has(place: Path, exclusions: Exclusions) -> bool:
    """Whether the corpus that lies in a working tree has somebody withdrawn, whatever dvc.lock says."""
    return any(
        table_has(path, exclusions.leaves_out)
        for path in files_of(place / CORPUS).values()
        if path.suffix == ".parquet"
    )


def _answers(place: Path, kept: Kept) -> Iterator[Path]:
    """Answers that no clean version used; embeddings name no request that could be told apart."""
    store = AnswerStore(place / ANSWERS)
    yield from (store.path(key) for key in store.list_keys() if key not in (kept.answers or ()))
    yield store.folder / "embeddings"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clean_journal(root: Path, exclusions: Exclusions) -> None:
    """Leave out of the journal's sentences whoever was withdrawn."""
    path = root / JOURNAL
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    for word in {word.strip("\"'.,:;()") for word in text.split() if "/" in word}:
        if exclusions.has(PATIENT, word) or exclusions.has(RECORD, word):
            text = text.replace(word, "(withdrawn)")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _record(root: Path, plan: Plan, key: Ed25519PrivateKey, begun: Path | None = None) -> Path:
    """What is to be removed, or was, and when, signed; it names nobody.

    Args:
        begun: the record of what was to be removed, which all was now.
    """
    folder = list(_places(root))[-1] / RECORDS
    folder.mkdir(parents=True, exist_ok=True)
    path = begun or folder / f"{len(list(folder.glob('*.json'))) + 1:04d}.json"
    said: dict[str, Any] = {
        "schema_version": 2,
        "finished": begun is not None,
        "purged": datetime.now(UTC).isoformat(timespec="seconds"),
        "exclusions": sha256_file(root / FILE),
        "revoked": [str(version) for version in plan.revoked],
        "paths": [path.relative_to(root).as_posix() for path in plan.paths if not path.is_symlink()],
        "objects": {
            store: ["/".join(path.rsplit("/", 2)[1:]) for path in paths] for store, paths in plan.objects.items()
        },
    }
    write_json(path, said)
    with replacing(path.with_suffix(".sig")) as temporary:
        temporary.write_text(sign(path.read_bytes(), key), encoding="utf-8")
    return path
