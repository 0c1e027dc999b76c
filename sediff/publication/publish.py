"""Publishing in an order in which a reader never finds half a version, and a crash costs nothing.

Data first, and verified where readers will look for it; then the commit, then branch and tag in one push; the pointer
last. Each step can be taken again.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dvc.repo import Repo

from sediff.errors import UserError
from sediff.lineage.graph import DVC_LOCK
from sediff.pipeline.graph import ask_dvc
from sediff.pipeline.remote import RemoteError, remote_calls
from sediff.publication.git import GitError, commit, git, git_bytes, git_says, remote_of
from sediff.publication.intact import Outs
from sediff.publication.manifest import write_manifest
from sediff.publication.store import lock_at
from sediff.publication.versions import (
    Version,
    make_current,
    next_number,
    pointers,
    register_version,
    revoked,
    version_of_head,
    versions,
)
from sediff.publication.workspace import BRANCH, RESULTS

Say = Callable[[str], None]
PUSH_WAITS = (3.0, 12.0)  # s before a push is tried again


def publish(
    folder: Path, name: str, message: str, told: Mapping[str, Any], key: Ed25519PrivateKey, say: Say
) -> Version:
    """Publish what a worktree holds as the next version of a name, and serve it.

    Args:
        told: what the signed manifest says of the refresh.
        key: that signs it.

    Raises:
        UserError: a step failed; the version that was served stays served.
    """
    push_data(folder, name, say)
    version = version_of_head(folder, name)
    if version is None or not _is_committed(folder, version):  # or it was killed after the tag, and has its manifest
        _stage_results(folder)
        write_manifest(folder, f"{name}@{next_number(folder, name)}", told, key)
        _stage_results(folder)
        if not git_says(folder, "diff", "--cached", "--quiet"):
            commit(folder, message)
    version = register_version(folder, name, message)
    push_refs(folder, [BRANCH, f"refs/tags/{version}"], say)
    serve_version(folder, version, say)
    return version


def serve_version(folder: Path, version: Version, say: Say) -> None:
    """Move the pointer, here and at the remote."""
    make_current(folder, version)
    push_pointers(folder, version.name, say)
    say(f"{version} is served")


def push_pointers(folder: Path, name: str, say: Say) -> None:
    """Send all moves of the pointer, and what is revoked; those that are there already cost nothing."""
    moves = [f"refs/tags/{tag}" for tag, _ in pointers(folder, name)]
    moves += [f"refs/tags/{name}@{number}!" for number in sorted(revoked(folder, name))]
    if moves:
        push_refs(folder, moves, say)


def needs_publishing(folder: Path, name: str) -> bool:
    """Whether the worktree's results are no version yet, or one that is revoked or never was served.

    A rollback stays.
    """
    known = versions(folder, name)
    if known and known[0].number in revoked(folder, name):
        return True
    if not known or known[0].commit not in {served for _, served in pointers(folder, name)}:
        return True
    return not _is_committed(folder, known[0])


def _is_committed(folder: Path, version: Version) -> bool:
    """Whether the worktree's results are those of a version."""
    lock = folder / DVC_LOCK
    return lock.exists() and lock.read_bytes() == git_bytes(folder, "show", f"{version.commit}:{DVC_LOCK}")


def push_data(folder: Path, name: str, say: Say) -> None:
    """See that all outs are intact in DVC's cache, and send them to its remote, where there is one.

    Raises:
        UserError: an object is damaged everywhere, or the remote does not take them, nor when asked again; nothing
            refers to what did arrive.
    """
    known = versions(folder, name)
    outs = Outs.of(folder, lock_at(folder, known[0].commit) if known else {}, say)
    if not ask_dvc(folder, lambda repo: bool(repo.config["core"].get("remote"))):
        outs.mend(outs.new, say)
        say("DVC has no remote: the data stay in this machine's cache")
        return
    _insist(lambda: ask_dvc(folder, lambda repo: _push(repo, outs, say)), say)


def _insist(push: Callable[[], str], say: Say) -> None:
    """Push, again and again as long as that may help; gives up with why the last try failed."""
    for wait in (*PUSH_WAITS, 0.0):
        failure = push()
        if not failure:
            return
        if wait:
            say(f"{failure}; trying again in {wait:.0f} s")
            time.sleep(wait)
    raise UserError(f"{failure}: mend it, then run again.")


def _push(repo: Repo, outs: Outs, say: Say) -> str:
    """Push and look whether all is there: why it is not, in words without what may be a secret; "" if it is."""
    try:
        wrong = outs.push(repo, say)
        with remote_calls():
            missing = [path for path, state in repo.status(cloud=True).items() if state != "deleted"]
    except RemoteError as fault:
        return f"DVC's remote does not take data ({fault})"
    return f"{wrong or missing[0]} did not reach DVC's remote" if wrong or missing else ""


def _stage_results(folder: Path) -> None:
    """Put dvc.lock, parameters, the records of what ran and where it started into git's index."""
    there = [name for name in (*RESULTS, "params.yaml") if (folder / name).exists()]
    gone = [name for name in RESULTS if name not in there]
    git(folder, "add", "--force", "--", *there)
    if gone:
        git(folder, "rm", "--quiet", "--cached", "-r", "--ignore-unmatch", "--", *gone)


def push_refs(folder: Path, refs: list[str], say: Say) -> None:
    """Push branch and tags, all or none; nothing without a git remote.

    Raises:
        UserError: the remote refuses them, or does not answer, nor when asked again.
    """
    remote = remote_of(folder)
    if not remote:
        say("git has no remote: the version is published on this machine only")
        return
    _insist(lambda: _push_refs(folder, remote, refs), say)


def _push_refs(folder: Path, remote: str, refs: list[str]) -> str:
    """Push, and say why the remote could not be reached; what it refuses it refuses again."""
    try:
        git(folder, "push", "--quiet", "--atomic", remote, *refs)
    except GitError as error:
        if "rejected]" in error.said:
            raise
        return f"git's remote {remote} does not take what is published ({error.said})"
    return ""
