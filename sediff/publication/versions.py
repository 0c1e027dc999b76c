"""Published versions: annotated tags NAME@vX.Y.Z on branch `published`, and the one that is served, as GTO keeps them.

GTO's stage `current` is the pointer: each move of it is a tag NAME#current#N, so what was served when can be told.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.index import DataIndexError
from gto.api import assign, deregister, register
from gto.exceptions import GTOException
from scmrepo.exceptions import SCMError

from sediff.errors import UserError
from sediff.files import sha256_file
from sediff.lineage.dvc_hash import Cache, files_of
from sediff.progress import log_line
from sediff.publication.git import author_of, git
from sediff.publication.store import bring_out, drop_damaged, lock_at, outs_of

CURRENT = "current"
DATASET = "data/synthesis/dataset"
VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)$")


@dataclass(frozen=True)
class Version:
    """One published version and its commit."""

    name: str
    number: str
    commit: str

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


def versions(root: Path, name: str) -> list[Version]:
    """All versions of a name, the newest first."""
    found = [Version(name, tag.removeprefix(f"{name}@"), commit) for tag, commit in _tags(root, f"{name}@v*")]
    return sorted((version for version in found if VERSION.match(version.number)), key=_order, reverse=True)


def names(root: Path) -> list[str]:
    """Under which names there are versions: publication.name, and what it was before."""
    return sorted({tag.rpartition("@")[0] for tag, _ in _tags(root, "*@v*")})


def _tags(root: Path, pattern: str) -> list[tuple[str, str]]:
    """Annotated tags with their commits; others are nobody's versions."""
    said = git(root, "for-each-ref", "--format=%(refname:short) %(*objectname)", f"refs/tags/{pattern}")
    fields = (line.split() for line in said.splitlines())
    return [(row[0], row[1]) for row in fields if len(row) == 2]


def revoked(root: Path, name: str) -> set[str]:
    """Numbers of the versions that nobody may use any more, which GTO calls deregistered."""
    tags = [tag for tag, _ in _tags(root, f"{name}@v*!*")]
    return {tag.removeprefix(f"{name}@").partition("!")[0] for tag in tags}


def revoke(root: Path, version: Version, why: str) -> None:
    """Mark a version as one that nobody may use any more; once is enough."""
    if version.number not in revoked(root, version.name):
        author, address = author_of(root)
        _gto(
            lambda: deregister(
                root, version.name, version=version.number, message=why, author=author, author_email=address
            )
        )


def _order(version: Version) -> tuple[int, ...]:
    match = VERSION.match(version.number)
    return tuple(map(int, match.groups())) if match else ()


def current(root: Path, name: str) -> Version | None:
    """The version that is served; None before the first."""
    served = pointers(root, name)
    return (
        next((version for version in versions(root, name) if version.commit == served[-1][1]), None) if served else None
    )


def reference(root: Path, name: str) -> Version | None:
    """What a new version is compared with: the last served one that is not revoked, since a purge takes its data."""
    gone = revoked(root, name)
    usable = {version.commit: version for version in versions(root, name) if version.number not in gone}
    return next((usable[commit] for _, commit in reversed(pointers(root, name)) if commit in usable), None)


def pointers(root: Path, name: str) -> list[tuple[str, str]]:
    """Every move of the pointer, the last one last: its tag and the commit that was served from then on."""
    moves = [(tag, commit) for tag, commit in _tags(root, f"{name}#{CURRENT}#*") if tag.rpartition("#")[2].isdigit()]
    return sorted(moves, key=lambda move: int(move[0].rpartition("#")[2]))


def find_version(root: Path, named: str, default: str, usable: bool = True) -> Version:
    """A version by `NAME@VERSION`, `VERSION`, or NAME for the current one.

    Args:
        usable: whether it may not be a revoked one.

    Raises:
        UserError: there is none, or it is revoked.
    """
    name, _, number = named.rpartition("@") if "@" in named else ("", "", named if VERSION.match(named) else "")
    name = name or (default if number else named)
    known = versions(root, name)
    found = next((v for v in known if v.number == number), None) if number else current(root, name)
    if found is None:
        there = ", ".join(map(str, known[:5])) or "none yet; `sediff refresh` publishes one"
        raise UserError(f"There is no version {named}: there are {there}.")
    if usable and found.number in revoked(root, name):
        raise UserError(
            f"{found} is revoked, since a patient in it was, or may be, withdrawn: take another, see `sediff versions`."
        )
    return found


def next_number(root: Path, name: str) -> str:
    """What the next version of a name is called."""
    known = versions(root, name)
    major, minor, patch = _order(known[0]) if known else (0, 0, 0)
    return f"v{major}.{minor}.{patch + 1}"


def version_of_head(root: Path, name: str) -> Version | None:
    """The version that the worktree's commit is; None where it is none, or a revoked one."""
    commit, gone = git(root, "rev-parse", "HEAD"), revoked(root, name)
    known = (version for version in versions(root, name) if version.number not in gone)
    return next((version for version in known if version.commit == commit), None)


def register_version(root: Path, name: str, message: str) -> Version:
    """Tag the worktree's commit as the next version; the one it has already, if it has one."""
    known = version_of_head(root, name)
    if known:
        return known
    version = Version(name, next_number(root, name), git(root, "rev-parse", "HEAD"))
    author, address = author_of(root)
    _gto(
        lambda: register(
            root, name, "HEAD", version=version.number, message=message, author=author, author_email=address
        )
    )
    return version


def make_current(root: Path, version: Version) -> None:
    """Move the pointer to a version, if it is not there already."""
    if current(root, version.name) != version:
        author, address = author_of(root)
        told = f"{version} is served"
        _gto(
            lambda: assign(
                root,
                version.name,
                CURRENT,
                version=version.number,
                message=told,
                force=True,
                author=author,
                author_email=address,
            )
        )


def _gto(tag: Callable[[], object]) -> None:
    try:
        tag()
    except (GTOException, SCMError) as error:
        raise UserError(f"git could not be tagged ({error}): mend the repository's tags, then run again.") from None


def pull(root: Path, version: Version, to: Path, hashes: Mapping[str, str]) -> None:
    """Bring the dataset of a version, from DVC's cache or its remote, to a folder that is not there yet.

    Args:
        hashes: SHA-256 of each file, as the version's manifest has them.

    Raises:
        UserError: the folder exists, or the data can be found nowhere or are not those of the version.
    """
    if to.exists():
        raise UserError(f"{to} exists already: name a folder that does not.")
    part = to.with_name(f".{to.name}.part")
    cache, md5 = Cache(root), outs_of(lock_at(root, version.commit)).get(DATASET, "")
    try:
        if not _get(root, version, md5, part, hashes):
            damaged = drop_damaged(cache, md5)
            if damaged:
                log_line(f"damaged in DVC's cache, so fetched again: {', '.join(damaged)}")
            if not damaged or not _get(root, version, md5, part, hashes):
                raise UserError(f"What came is not {version}, from DVC's remote either: restore it there, then pull.")
        part.rename(to)
    except (DvcException, DataIndexError, OSError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{version} cannot be brought ({said}): check DVC's remote, then pull again.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _get(root: Path, version: Version, md5: str, part: Path, hashes: Mapping[str, str]) -> bool:
    """Lay a version's dataset out in a folder; whether it is what was published."""
    shutil.rmtree(part, ignore_errors=True)
    bring_out(root, Cache(root), md5)
    Repo.get(str(root.resolve()), DATASET, out=str(part), rev=version.commit)
    return {name: sha256_file(path) for name, path in files_of(part).items()} == hashes
