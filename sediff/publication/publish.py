"""Publishing in an order in which a reader never finds half a version, and a crash costs nothing.

Data first, and verified where readers will look for it; then the commit, then branch and tag in one push; the pointer
last. Each step can be taken again.
"""

from collections.abc import Callable
from pathlib import Path

from dvc.repo import Repo

from sediff.errors import UserError
from sediff.pipeline.graph import ask_dvc
from sediff.publication.git import commit, git, git_says, remote_of
from sediff.publication.versions import Version, make_current, pointers, register_version, versions
from sediff.publication.workspace import BRANCH, RESULTS

Say = Callable[[str], None]


def publish(folder: Path, name: str, message: str, say: Say) -> Version:
    """Publish what a worktree holds as the next version of a name, and serve it.

    Raises:
        UserError: a step failed; the version that was served stays served.
    """
    push_data(folder, say)
    commit_results(folder, message)
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
    """Send all moves of the pointer; those that are there already cost nothing."""
    moves = [f"refs/tags/{tag}" for tag, _ in pointers(folder, name)]
    if moves:
        push_refs(folder, moves, say)


def needs_publishing(folder: Path, name: str) -> bool:
    """Whether the worktree's results are no version yet, or one that never was served; a rollback stays."""
    known = versions(folder, name)
    lock = folder / RESULTS[0]
    if not known or not lock.exists() or known[0].commit not in {served for _, served in pointers(folder, name)}:
        return True
    return lock.read_text(encoding="utf-8").strip() != git(folder, "show", f"{known[0].commit}:{RESULTS[0]}")


def push_data(folder: Path, say: Say) -> None:
    """Send all outs to DVC's remote, and see that they are there; nothing where there is no remote."""
    if not ask_dvc(folder, lambda repo: bool(repo.config["core"].get("remote"))):
        say("DVC has no remote: the data stay in this machine's cache")
        return
    try:
        ask_dvc(folder, lambda repo: repo.push())
        missing = ask_dvc(folder, _missing_at_remote)
    except OSError as error:
        raise UserError(f"DVC's remote does not take data ({error}): mend it, then run again.") from None
    if missing:
        raise UserError(f"{missing[0]} did not reach DVC's remote: run again, and it goes on from there.")


def _missing_at_remote(repo: Repo) -> list[str]:
    """Objects that the cache has and the remote does not."""
    return [path for path, state in repo.status(cloud=True).items() if state != "deleted"]


def commit_results(folder: Path, message: str) -> None:
    """Commit dvc.lock, parameters and the records of what ran; nothing where they are committed."""
    there = [name for name in (*RESULTS, "params.yaml") if (folder / name).exists()]
    git(folder, "add", "--force", "--", *there)
    if not git_says(folder, "diff", "--cached", "--quiet"):
        commit(folder, message)


def push_refs(folder: Path, refs: list[str], say: Say) -> None:
    """Push branch and tags, all or none; nothing without a git remote."""
    remote = remote_of(folder)
    if not remote:
        say("git has no remote: the version is published on this machine only")
        return
    git(folder, "push", "--quiet", "--atomic", remote, *refs)
