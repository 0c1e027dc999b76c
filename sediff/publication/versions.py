"""Published versions: annotated tags NAME@vX.Y.Z on branch `published`, and the one that is served, as GTO keeps them.

GTO's stage `current` is the pointer: each move of it is a tag NAME#current#N, so what was served when can be told.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from gto.api import assign, register
from gto.exceptions import GTOException

from sediff.errors import UserError
from sediff.files import read_out
from sediff.publication.git import git, git_says

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
    lines = git(root, "for-each-ref", "--format=%(refname:short) %(*objectname)", f"refs/tags/{name}@v*").splitlines()
    found = [Version(name, tag.partition("@")[2], commit) for tag, commit in (line.split() for line in lines)]
    return sorted((v for v in found if VERSION.match(v.number)), key=_order, reverse=True)


def _order(version: Version) -> tuple[int, ...]:
    match = VERSION.match(version.number)
    return tuple(map(int, match.groups())) if match else ()


def current(root: Path, name: str) -> Version | None:
    """The version that is served; None before the first."""
    lines = git(root, "for-each-ref", "--format=%(refname:short) %(*objectname)", f"refs/tags/{name}#{CURRENT}#*")
    moves = sorted((int(tag.rpartition("#")[2]), commit) for tag, commit in map(str.split, lines.splitlines()))
    if not moves:
        return None
    return next((version for version in versions(root, name) if version.commit == moves[-1][1]), None)


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
        try:
            register(root, name, "HEAD", bump_patch=bool(known), message=message)
        except GTOException as error:
            raise UserError(f"{name} cannot be tagged ({error}): mend its tags, then run again.") from None
    return next(version for version in versions(root, name) if version.commit == commit)


def make_current(root: Path, version: Version) -> bool:
    """Move the pointer to a version; False where it is there already."""
    if current(root, version.name) == version:
        return False
    try:
        assign(root, version.name, CURRENT, version=version.number, message=f"{version} is served", force=True)
    except GTOException as error:
        raise UserError(f"{version} cannot be made current ({error}): mend its tags, then run again.") from None
    return True


def pull(root: Path, version: Version, to: Path) -> None:
    """Bring the dataset of a version, from DVC's cache or its remote, to a folder that is not there yet.

    Raises:
        UserError: the folder exists, or the data can be found nowhere.
    """
    if to.exists():
        raise UserError(f"{to} exists already: name a folder that does not.")
    try:
        Repo.get(str(root.resolve()), DATASET, out=str(to), rev=version.commit)
    except (DvcException, OSError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{version} cannot be brought ({said}): check DVC's remote, then pull again.") from None


def recorded_hash(root: Path, version: Version, out: str) -> str:
    """DVC's hash of an out in a version."""
    lock = yaml.safe_load(git(root, "show", f"{version.commit}:dvc.lock"))
    outs = (out for stage in lock["stages"].values() for out in stage.get("outs", []))
    return next((entry["md5"] for entry in outs if entry["path"] == out), "")


def is_published(root: Path, version: Version, branch: str) -> bool:
    """Whether a version is on a branch."""
    return git_says(root, "merge-base", "--is-ancestor", version.commit, branch)


def read_report(folder: Path) -> dict:
    """The gates' verdict of a folder's last run."""
    return read_out(folder / "reports/report/metrics.json")
