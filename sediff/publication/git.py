"""The few things that publication asks of git, with git's own sentence where it refuses."""

import os
import subprocess
from pathlib import Path

from sediff.errors import UserError

NOBODY = ("sediff", "sediff@localhost")  # a machine that commits by night may have no name of its own


class GitError(UserError):
    """A git command failed: `said` is its own sentence."""

    def __init__(self, verb: str, folder: Path, said: str) -> None:
        super().__init__(f"git {verb} failed in {folder} ({said}): mend the repository, then run again.")
        self.said = said


def git(folder: Path, *arguments: str) -> str:
    """What a git command says, stripped.

    Raises:
        GitError: it fails.
    """
    done = _run(folder, arguments)
    if done.returncode:
        raise GitError(_verb(arguments), folder, " ".join((done.stderr or done.stdout).split()))
    return done.stdout.strip()


def git_bytes(folder: Path, *arguments: str) -> bytes:
    """What a git command writes, byte for byte.

    Raises:
        UserError: it fails.
    """
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise UserError(f"git {_verb(arguments)} failed in {folder} ({said}): mend the repository.") from None


def git_says(folder: Path, *arguments: str) -> bool:
    """Whether a git command that asks a question succeeds."""
    return _run(folder, arguments).returncode == 0


def author_of(folder: Path) -> tuple[str, str]:
    """Name and address under which commits and tags are made."""
    name, address = (_run(folder, ("config", f"user.{part}")).stdout.strip() for part in ("name", "email"))
    return (name, address) if name and address else NOBODY


def remote_of(folder: Path) -> str:
    """The git remote that versions are pushed to: origin, else the only one, else ""."""
    names = git(folder, "remote").split()
    return "origin" if "origin" in names else (names[0] if len(names) == 1 else "")


def commit(folder: Path, message: str) -> None:
    """Commit the index."""
    git(folder, *as_author(folder), "commit", "--quiet", "-m", message)


def as_author(folder: Path) -> list[str]:
    """What stands before a command of git that may write a commit."""
    name, address = author_of(folder)
    return ["-c", f"user.name={name}", "-c", f"user.email={address}"]


def _run(folder: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=environment, check=False
    )


def _verb(arguments: tuple[str, ...]) -> str:
    """The command among its arguments, behind `-c` and its value."""
    return arguments[4] if arguments[0] == "-c" else arguments[0]
