"""Commands of the worktree's own code, in processes that end with this one."""

import os
import subprocess
import sys
from pathlib import Path

from sediff.errors import UserError
from sediff.processes import DIES_WITH_PARENT, die_with_parent
from sediff.progress import log_line

SEDIFF = [sys.executable, "-c", "from sediff.cli import main; main()"]


def sediff(folder: Path, *arguments: str) -> None:
    """Run a command of the worktree's own code.

    Raises:
        UserError: it failed; it has said why.
    """
    done = subprocess.run(
        [*SEDIFF, *arguments],
        cwd=folder,
        env={**os.environ, DIES_WITH_PARENT: "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
        check=False,
    )
    lines = done.stderr.splitlines()
    for line in lines:
        if "sediff: error:" not in line:
            log_line(line)
    if done.returncode:
        said = [line.partition("sediff: error: ")[2] for line in lines if "sediff: error:" in line]
        raise UserError(said[-1] if said else f"`sediff {' '.join(arguments)}` ended with status {done.returncode}.")
