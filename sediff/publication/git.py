"""The few things that publication asks of git, with git's own sentence where it refuses."""

import os
import subprocess
from pathlib import Path

from sediff.errors import UserError

NOBODY = {"GIT_AUTHOR_NAME": "sediff", "GIT_COMMITTER_NAME": "sediff"}
ADDRESS = {"GIT_AUTHOR_EMAIL": "sediff@localhost", "GIT_COMMITTER_EMAIL": "sediff@localhost"}


def git(folder: Path, *arguments: str) -> str:
    """What a git command says, stripped.

    Raises:
        UserError: it fails.
    """
    done = _run(folder, arguments)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise UserError(f"git {arguments[0]} failed in {folder} ({said}): mend the repository, then run again.")
    return done.stdout.strip()


def git_says(folder: Path, *arguments: str) -> bool:
    """Whether a git command that asks a question succeeds."""
    return _run(folder, arguments).returncode == 0


def _run(folder: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    if subprocess.run(["git", "-C", folder, "config", "user.email"], capture_output=True, check=False).returncode:
        environment |= NOBODY | ADDRESS  # a machine that commits by night may have no name of its own
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=environment, check=False
    )


def remote_of(folder: Path) -> str:
    """The git remote that versions are pushed to: origin, else the only one, else ""."""
    names = git(folder, "remote").split()
    return "origin" if "origin" in names else (names[0] if len(names) == 1 else "")
