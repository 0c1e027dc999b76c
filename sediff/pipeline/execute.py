"""Running one stage: `dvc repro --single-item` in a process group of its own, with a time limit and one retry."""

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

from sediff.errors import UserError
from sediff.progress import log_line

LOCK_HELD = "Unable to acquire lock"
LOCK_WAIT, LOCK_TRIES = 5.0, 60
GRACE = 10.0  # s between asking a group of processes to end and killing it


class StageCrashError(RuntimeError):
    """A stage ended for a reason that is nobody's mistake; it may go well the second time."""


def execute(root: Path, stage: str, failure: Path, time_limit: float) -> None:
    """Run one stage; after a crash once more.

    Args:
        failure: file in which the stage leaves the sentence of a user's mistake.
        time_limit: s, after which the whole process group is ended.

    Raises:
        UserError: what the stage said, or that it crashed twice or took too long.
    """
    try:
        _execute(root, stage, failure, time_limit)
    except StageCrashError as crash:
        log_line(f"{stage}: {crash}; trying once more")
        try:
            _execute(root, stage, failure, time_limit)
        except StageCrashError as second:
            raise UserError(f"Stage {stage} failed twice ({second}): see its messages above, then run again.") from None


def _execute(root: Path, stage: str, failure: Path, time_limit: float) -> None:
    for _ in range(LOCK_TRIES):
        failure.unlink(missing_ok=True)
        status, errors = _repro(root, stage, time_limit)
        if status == 0:
            return
        if LOCK_HELD not in errors:
            break
        log_line(f"{stage}: another DVC command holds the lock; waiting")
        time.sleep(LOCK_WAIT)
    if failure.exists():
        sentence = failure.read_text(encoding="utf-8")
        failure.unlink()
        raise UserError(sentence)
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), f"exit status {status}")
    raise StageCrashError(last.removeprefix("ERROR: "))


def _repro(root: Path, stage: str, time_limit: float) -> tuple[int, str]:
    """Exit status and DVC's own messages; what the stage prints goes straight to the terminal."""
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", "--single-item", stage]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with subprocess.Popen(
        command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            errors = _relay(process, time.monotonic() + time_limit)
        except BaseException:
            end_group(process)
            raise
    return process.returncode, errors


def _relay(process: subprocess.Popen[str], deadline: float) -> str:
    """Pass on what the stage writes, line by line, and keep it; raise when the time is over."""
    assert process.stderr is not None
    kept: list[str] = []
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise UserError("A stage took longer than runtime.stage_time_limit: raise it; the stage goes on later.")
            if not selector.select(timeout=min(left, 1.0)):
                continue
            line = process.stderr.readline()
            if not line:
                return "".join(kept)
            kept.append(line)
            if not line.startswith("ERROR: ") and "sediff: error:" not in line:
                sys.stderr.write(line)
                sys.stderr.flush()


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process and all its children, gently first."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, wanted)
        except ProcessLookupError:
            return
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
        time.sleep(0.1)
