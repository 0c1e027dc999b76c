"""Published versions: annotated tags NAME@vX.Y.Z on branch `published`, and the one that is served, as GTO keeps them.

GTO's stage `current` is the pointer: each move of it is a tag NAME#current#N, so what was served when can be told.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from gto.api import assign, register
from gto.exceptions import GTOException
from scmrepo.exceptions import SCMError

from sediff.errors import UserError
from sediff.lineage.dvc_hash import files_of, md5_files, md5_of
from sediff.publication.git import author_of, git

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


def _tags(root: Path, pattern: str) -> list[tuple[str, str]]:
    """Annotated tags with their commits; others are nobody's versions."""
    said = git(root, "for-each-ref", "--format=%(refname:short) %(*objectname)", f"refs/tags/{pattern}")
    fields = (line.split() for line in said.splitlines())
    return [(row[0], row[1]) for row in fields if len(row) == 2]


def _order(version: Version) -> tuple[int, ...]:
    match = VERSION.match(version.number)
    return tuple(map(int, match.groups())) if match else ()


def current(root: Path, name: str) -> Version | None:
    """The version that is served; None before the first."""
    served = pointers(root, name)
    return (
        next((version for version in versions(root, name) if version.commit == served[-1][1]), None) if served else None
    )


def pointers(root: Path, name: str) -> list[tuple[str, str]]:
    """Every move of the pointer, the last one last: its tag and the commit that was served from then on."""
    moves = [(tag, commit) for tag, commit in _tags(root, f"{name}#{CURRENT}#*") if tag.rpartition("#")[2].isdigit()]
    return sorted(moves, key=lambda move: int(move[0].rpartition("#")[2]))


def find_version(root: Path, named: str, default: str) -> Version:
    """A version by `NAME@VERSION`, `VERSION`, or NAME for the current one.

    Raises:
        UserError: there is none.
    """
    name, _, number = named.rpartition("@") if "@" in named else ("", "", named if VERSION.match(named) else "")
    name = name or (default if number else named)
    known = versions(root, name)
    found = next((v for v in known if v.number == number), None) if number else current(root, name)
    if found is None:
        there = ", ".join(map(str, known[:5])) or "none yet; `sediff refresh` publishes one"
        raise UserError(f"There is no version {named}: there are {there}.")
    return found


def register_version(root: Path, name: str, message: str) -> Version:
    """Tag the worktree's commit as the next version; the one it has already, if it has one."""
    commit = git(root, "rev-parse", "HEAD")
    known = versions(root, name)
    if not any(version.commit == commit for version in known):
        author, address = author_of(root)
        _gto(
            lambda: register(
                root, name, "HEAD", bump_patch=bool(known), message=message, author=author, author_email=address
            )
        )
    return next(version for version in versions(root, name) if version.commit == commit)


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


def pull(root: Path, version: Version, to: Path) -> None:
    """Bring the dataset of a version, from DVC's cache or its remote, to a folder that is not there yet.

    Raises:
        UserError: the folder exists, or the data can be found nowhere or are not those of the version.
    """
    if to.exists():
        raise UserError(f"{to} exists already: name a folder that does not.")
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        Repo.get(str(root.resolve()), DATASET, out=str(part), rev=version.commit)
        if md5_of(md5_files(files_of(part))) != _recorded(root, version, DATASET):
            raise UserError(f"What came is not {version}: `dvc fetch` it anew, then pull again.")
        part.rename(to)
    except (DvcException, OSError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{version} cannot be brought ({said}): check DVC's remote, then pull again.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _recorded(root: Path, version: Version, wanted: str) -> str:
    """DVC's hash of an out in a version."""
    lock = yaml.safe_load(git(root, "show", f"{version.commit}:dvc.lock"))
    outs = (out for stage in lock["stages"].values() for out in stage.get("outs", []))
    return next((out["md5"] for out in outs if out["path"] == wanted), "")
