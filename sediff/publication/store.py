"""Objects of DVC's cache and remote that something still needs, and those that nothing does.

DVC's own `gc` keeps whole branches or all tags; what is kept here is named, version by version.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dvc.data_cloud import Remote
from dvc.repo import Repo

from sediff.errors import UserError
from sediff.files import replacing
from sediff.knowledge.answers import NAME, SUFFIX, read_export
from sediff.lineage.dvc_hash import FOLDER, Cache
from sediff.lineage.graph import DVC_LOCK, LOADER
from sediff.pipeline.answers import FOLDER as ANSWERS
from sediff.pipeline.answers import OUT
from sediff.pipeline.disk import NO_SPACE
from sediff.pipeline.graph import ask_dvc
from sediff.pipeline.remote import RemoteError, remote_calls
from sediff.publication.git import git_bytes, git_says

Lock = Mapping[str, Any]
Added = frozenset[tuple[str, str]]  # files that track data, as paths below the project, and hashes of their outs
ADDED = (".dvc", "/dvc.lock")  # what `dvc add` writes, and other graphs than the project's own
RUNS = "runs"  # beside `files`, in a cache and in a remote: what each run made of what


class RemoteSilentError(UserError):
    """A remote does not answer, so that what it has is not known."""


@dataclass(frozen=True)
class Kept:
    """What stays.

    Attributes:
        objects: hashes.
        answers: keys of answers of language models; None: all of them, which were paid for.
    """

    objects: frozenset[str]
    answers: frozenset[str] | None


def lock_at(root: Path, commit: str) -> Lock:
    """A commit's dvc.lock; empty where it has none."""
    if not git_says(root, "cat-file", "-e", f"{commit}:{DVC_LOCK}"):
        return {}
    return yaml.load(git_bytes(root, "show", f"{commit}:{DVC_LOCK}"), LOADER) or {}


def lock_in(folder: Path) -> Lock:
    """A working tree's dvc.lock; empty where it has none."""
    path = folder / DVC_LOCK
    return (yaml.load(path.read_text(encoding="utf-8"), LOADER) or {}) if path.exists() else {}


def added_at(root: Path, commit: str) -> Added:
    """What `dvc add`, or another graph in a folder, tracks in a commit."""
    listed = git_bytes(root, "ls-tree", "-r", "--name-only", "-z", commit).decode().split("\0")
    return _added({name: git_bytes(root, "show", f"{commit}:{name}") for name in listed if name.endswith(ADDED)})


def added_in(folder: Path) -> Added:
    """What `dvc add`, or another graph in a folder, tracks in a working tree; DVC takes none that git ignores."""
    if not folder.is_dir():
        return frozenset()
    listed = git_bytes(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    paths = [folder / name for name in listed if name.endswith(ADDED)]
    return _added({str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()})


def _added(files: Mapping[str, bytes]) -> Added:
    """Names of these files with the hashes of their outs; one that DVC does not keep has none."""
    found: set[tuple[str, str]] = set()
    for name, text in files.items():
        said = yaml.load(text, LOADER) or {}
        stages = [said, *said.get("stages", {}).values()]
        found |= {(name, out["md5"]) for stage in stages for out in stage.get("outs", ()) if "md5" in out}
    return frozenset(found)


def outs_of(lock: Lock) -> dict[str, str]:
    """Hashes of a lock's outs, by path."""
    return {out["path"]: out["md5"] for stage in lock.get("stages", {}).values() for out in stage.get("outs", ())}


def kept_by(root: Path, locks: Iterable[Lock], more: Iterable[str], needed: Collection[str] | None = None) -> Kept:
    """All that the outs of some locks consist of.

    Args:
        more: hashes of other outs that stay.
        needed: hashes of outs that must be found, all by default; others that were lost long ago are passed over.

    Raises:
        UserError: the listing of a folder that stays, or the answers it was made of, is neither in DVC's cache nor in
            its remote; or that does not answer.
    """
    cache, objects, answers = Cache(root), set[str](), set[str]()
    for path, md5 in [
        *((name, md5) for lock in locks for name, md5 in outs_of(lock).items()),
        *(("", m) for m in more),
    ]:
        if md5 in objects:
            continue
        objects.add(md5)
        if md5.endswith(FOLDER):
            _bring(root, cache, [md5])
            listing = cache.listing(md5)
            if listing is None and (needed is None or md5 in needed):
                raise UserError(f"{path or md5} ({md5}) is in neither DVC's cache nor its remote, and stays: mend it.")
            listing = listing or {}
            objects |= set(listing.values())
            if path == str(Path(OUT).parent) and (own := listing.get(Path(OUT).name)):
                _bring(root, cache, [own])
                found = cache.intact(own)
                if found is None and (needed is None or md5 in needed):
                    raise UserError(f"{OUT} ({own}) is in neither DVC's cache nor its remote, and stays: mend it.")
                answers |= set(read_export(found)["key"].to_pylist()) if found else set()
    return Kept(frozenset(objects), frozenset(answers))


def bring_out(root: Path, cache: Cache, md5: str) -> bool:
    """Bring an out from DVC's remote into its cache as far as that lacks it; whether it is whole then.

    Not `dvc fetch` of a commit, which looks for a remote that is a relative folder elsewhere.

    Raises:
        RemoteSilentError: it lacks some, and the remote does not answer.
        UserError: the disk is full.
    """
    if md5.endswith(FOLDER) and cache.intact(md5) is None:
        cache.path(md5).unlink(missing_ok=True)
    _bring(root, cache, [md5])
    listing = cache.listing(md5) if md5.endswith(FOLDER) else {"": md5}
    _bring(root, cache, (listing or {}).values())
    return listing is not None and all(cache.path(own).is_file() for own in listing.values())


def drop_damaged(cache: Cache, md5: str) -> list[str]:
    """Remove files of an out that are not what their names say, so that they are fetched; gives their paths in it."""
    found = []
    listing = cache.listing(md5) if md5.endswith(FOLDER) else {"": md5}
    for name, own in (listing or {}).items():
        if cache.path(own).is_file() and cache.intact(own) is None:
            cache.path(own).unlink()
            found.append(name)
    return found


def _bring(root: Path, cache: Cache, hashes: Iterable[str]) -> None:
    """Bring objects that the cache lacks from the remote; nothing of those that it does not have either."""
    missing = sorted({md5 for md5 in hashes if md5 and not cache.path(md5).is_file()})

    if missing:
        ask_dvc(root, lambda repo: _get(repo, cache, missing))


def _get(repo: Repo, cache: Cache, hashes: Iterable[str]) -> None:
    """Copy objects from DVC's default remote, where there is one; what it tells to have not is passed over.

    Raises:
        RemoteSilentError: it does not answer, so that what is lost cannot be told from what is not seen.
        UserError: the disk is full.
    """
    if not repo.config["core"].get("remote"):
        return
    try:
        with remote_calls():
            remote = repo.cloud.get_remote()
            if remote.fs.protocol == "local" and not remote.fs.isdir(remote.path):
                raise FileNotFoundError(remote.path)  # a folder that is not mounted has none of its files
        for md5 in hashes:
            with suppress(FileNotFoundError), replacing(cache.path(md5)) as temporary:
                _get_file(remote, md5, temporary)
    except RemoteError as fault:
        if fault.number in NO_SPACE:  # what is fetched is written here
            raise UserError(f"{cache.folder}: the disk is full; free some space and run again.") from None
        raise RemoteSilentError(
            f"DVC's remote {repo.config['core']['remote']} does not answer ({fault.name}), so what it has is not "
            "known: mend it, then run again."
        ) from None


def _get_file(remote: Remote, md5: str, to: Path) -> None:
    """Copy one object.

    Raises:
        FileNotFoundError: the remote does not have it.
        RemoteError: it does not answer.
    """
    lacks = False
    with remote_calls():
        try:
            remote.odb.fs.get_file(remote.odb.oid_to_path(md5), str(to))
        except FileNotFoundError:
            lacks = True
    if lacks:
        raise FileNotFoundError(md5)


@dataclass(frozen=True)
class Store:
    """A place with DVC's objects, its runs and answers: the cache, or a remote.

    Its methods raise a `UserError` where it does not answer, or refuses.

    Attributes:
        fs: fsspec's view of it.
        folder: with `files/md5`, `runs` and `answers`.
    """

    name: str
    fs: Any
    folder: str

    def unneeded(self, kept: Kept) -> Iterator[str]:
        """Paths of objects, runs and answers that nothing kept needs."""
        for path in self._files("files/md5"):
            if "".join(path.rsplit("/", 2)[1:]) not in kept.objects:
                yield path
        for path in self._files(RUNS):
            if not self._run_is_kept(path, kept):
                yield path
        for path in self._files(ANSWERS):
            name = path.rpartition("/")[2]
            if kept.answers is not None and NAME.fullmatch(name) and name.removesuffix(SUFFIX) not in kept.answers:
                yield path

    def size(self, paths: Iterable[str]) -> int:
        """Bytes of files."""
        with self._asked("the sizes of its files cannot be had"):
            return sum(self.fs.size(path) or 0 for path in paths)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, whatever their permissions."""
        for path in paths:
            with self._asked(f"{path} cannot be removed"):
                self.fs.rm_file(path)

    def _files(self, below: str) -> list[str]:
        folder = f"{self.folder}/{below}"
        with self._asked(f"{folder} cannot be listed"):
            return sorted(self.fs.find(folder)) if self.fs.exists(folder) else []

    def _run_is_kept(self, path: str, kept: Kept) -> bool:
        with self._asked(f"{path} cannot be read"), self.fs.open(path, "rb") as stream:
            text = stream.read()
        try:
            said = yaml.load(text, LOADER)
            outs = [out["md5"] for out in said["outs"]]
        except (yaml.YAMLError, KeyError, TypeError):
            return False
        return all(md5 in kept.objects for md5 in outs)

    @contextmanager
    def _asked(self, failure: str) -> Iterator[None]:
        try:
            with remote_calls():
                yield
        except RemoteError as fault:
            raise UserError(f"The {self.name}: {failure} ({fault}); mend that, then run again.") from None


def stores(root: Path, own_cache: bool) -> list[Store]:
    """DVC's cache and its default remote, where there is one, to remove from.

    Args:
        own_cache: whether a cache outside of the project may be taken for the project's own.

    Raises:
        UserError: the cache lies outside of the project, so it may have what other projects need.
    """
    found = ask_dvc(root, _stores)
    place = Path(found[0].folder).resolve()
    if place != Cache(root).folder.parents[1].resolve():
        raise UserError(f"DVC's cache is {place}, by a setting that is not known here: set cache.dir instead.")
    if not own_cache and not place.is_relative_to((root / ".dvc").resolve()):
        raise UserError(
            f"DVC's cache, {place}, lies outside of .dvc, so other projects may need what is in it: "
            "--own-cache says that none does."
        )
    return found


def _stores(repo: Repo) -> list[Store]:
    own = repo.cache.local
    found = [Store("cache", own.fs.fs, str(Path(own.path).parents[1]))]
    if repo.config["core"].get("remote"):
        remote = repo.cloud.get_remote()
        found.append(Store(f"remote {remote.name}", remote.fs.fs, remote.path.rstrip("/")))
    return found
