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

from sediff.errors import UserError
from sediff.exclusions import FILE, PATIENT, RECORD, Exclusions, read_exclusions
from sediff.files import replacing, sha256_file, write_json
from sediff.knowledge.answers import AnswerStore
from sediff.lineage.dvc_hash import Cache, files_of
from sediff.publication.health import JOURNAL
from sediff.publication.signature import sign, signing_key
from sediff.publication.store import Kept, Lock, Store, added_in, kept_by, lock_at, lock_in, outs_of, stores
from sediff.publication.versions import names, revoked, versions
from sediff.publication.withdraw import CORPUS, judges_saw, lock_has, table_has
from sediff.publication.workspace import ANSWERS, FOLDER, fetch_all

RECORDS = Path("runs/purges")
OWN = Path(".sediff")
INVENTORIES = Path("data/sources")
WHOLE = ("work", "chroma", "failures.log")  # of any working tree,
HISTORY = ("prefect",)  # of the checkout,
OF_TOUCHED = ("parsed", "scan")  # and of one whose corpus has somebody withdrawn; another's are clean when it has run


@dataclass
class Plan:
    """What is to go.

    Attributes:
        paths: files and folders of working trees.
        objects: by store, paths in it.
        revoked: the versions that are marked.
        stores: where the objects are.
    """

    stores: list[Store]
    revoked: list[str] = field(default_factory=list)
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
    fetch_all(root)
    known = [version for name in names(root) for version in versions(root, name)]
    gone = {name: revoked(root, name) for name in names(root)}
    plan.revoked = [str(version) for version in known if version.number in gone[version.name]]
    clean = [version for version in known if version.number not in gone[version.name]]
    locks = [lock_at(root, version.commit) for version in clean]
    pinned = {md5 for version in clean for md5 in added_in(root, version.commit)}
    added = sorted(md5 for md5 in pinned if not judges_saw(cache, md5, exclusions))
    for place in _places(root):
        lock = lock_in(place)
        if lock_has(cache, lock, exclusions) is False and not _folder_has(place, exclusions):
            locks.append(lock)
        else:
            plan.paths += _outs(place, lock, {path: md5 for own in locks for path, md5 in outs_of(own).items()})
            plan.paths += [place / OWN / name for name in OF_TOUCHED]
        plan.paths += [place / OWN / name for name in WHOLE]
    kept = kept_by(root, locks, added)
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
    try:
        for store in plan.stores:
            store.remove(plan.objects.get(store.name, ()))
        for path in plan.paths:
            _remove(path)
        _clean_journal(root, read_exclusions(root))
    except OSError as error:
        raise UserError(
            f"{error.filename or 'A store'} cannot be purged ({error.strerror or error}): run again."
        ) from None
    return _record(root, plan)


def _places(root: Path) -> Iterator[Path]:
    yield root
    if (root / FOLDER / "dvc.yaml").is_file():
        yield root / FOLDER


def _outs(place: Path, lock: Lock, clean: dict[str, str]) -> Iterator[Path]:
    """A touched working tree's outs and inventories, and reports that are no outs; not those of a clean version."""
    yield from (place / path for path, md5 in outs_of(lock).items() if clean.get(path) != md5)
    yield from (place / name for name in (INVENTORIES, "reports/ablation", "reports/study", "judges"))


def _folder_has(place: Path, exclusions: Exclusions) -> bool:
    """Whether the corpus that lies in a working tree has somebody withdrawn, whatever dvc.lock says."""
    return any(table_has(path, exclusions) for path in files_of(place / CORPUS).values() if path.suffix == ".parquet")


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


def _record(root: Path, plan: Plan) -> Path:
    """What was removed and when, signed; it names nobody."""
    place = next((place for place in list(_places(root))[::-1]), root)
    folder = place / RECORDS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{len(list(folder.glob('*.json'))) + 1:04d}.json"
    said: dict[str, Any] = {
        "schema_version": 1,
        "purged": datetime.now(UTC).isoformat(timespec="seconds"),
        "exclusions": sha256_file(root / FILE),
        "revoked": plan.revoked,
        "paths": [path.relative_to(root).as_posix() for path in plan.paths if not path.is_symlink()],
        "objects": {
            store: ["/".join(path.rsplit("/", 2)[1:]) for path in paths] for store, paths in plan.objects.items()
        },
    }
    write_json(path, said)
    with replacing(path.with_suffix(".sig")) as temporary:
        temporary.write_text(sign(path.read_bytes(), signing_key(root)[0]), encoding="utf-8")
    return path
