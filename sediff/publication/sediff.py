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
    """Run a command of the worktree's own code, and pass on what it says line by line.

    Raises:
        UserError: it failed; it has said why.
    """
    said = ""
    with subprocess.Popen(
        [*SEDIFF, *arguments],
        cwd=folder,
        env={**os.environ, DIES_WITH_PARENT: "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            _, mistake, sentence = line.rstrip().partition("sediff: error: ")
            if mistake:
                said = sentence
            elif line.strip():
                log_line(line.rstrip())
    if process.returncode:
        raise UserError(said or f"`sediff {' '.join(arguments)}` ended with status {process.returncode}.")
