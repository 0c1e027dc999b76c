"""Running one stage: `dvc repro --single-item` in a process group of its own, with a time limit and one retry."""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

from sediff.errors import UserError
from sediff.pipeline.disk import full_disk_in_a_sentence
from sediff.processes import DIES_WITH_PARENT, die_with_parent
from sediff.progress import BARS, log_line

BUSY = ("Unable to acquire lock", "it is being blocked by")  # what DVC says of another command's locks
BUSY_WAIT, BUSY_TRIES = 5.0, 60
GRACE = 10.0  # s between asking a group of processes to end and killing it
LINE = re.compile(rb"[^\r\n]*[\r\n]")


class StageCrashError(RuntimeError):
    """A stage ended for a reason that is nobody's mistake; it may go well the second time."""


def execute(root: Path, stage: str, failure: Path, time_limit: float, force: bool = False) -> None:
    """Run one stage; after a crash once more.

    Args:
        failure: file in which the stage leaves the sentence of a user's mistake.
        time_limit: s, after which the whole process group is ended; a training stops by itself a little earlier.
        force: run it although it is up to date, or in DVC's cache of runs.

    Raises:
        UserError: what the stage said, or that it crashed twice or took too long.
    """
    try:
        _execute(root, stage, failure, time_limit, force)
    except StageCrashError as crash:
        log_line(f"{stage}: {crash}; trying once more")
        try:
            _execute(root, stage, failure, time_limit, force)
        except StageCrashError as second:
            raise UserError(f"Stage {stage} failed twice ({second}): see its messages above, then run again.") from None


def _execute(root: Path, stage: str, failure: Path, time_limit: float, force: bool) -> None:
    for _ in range(BUSY_TRIES):
        failure.unlink(missing_ok=True)
        status, errors = _repro(root, stage, time_limit, force)
        if status == 0:
            return
        if not any(words in error for words in BUSY for error in errors):
            break
        log_line(f"{stage}: another DVC command works here; waiting")
        time.sleep(BUSY_WAIT)
    if failure.exists():
        sentence = failure.read_text(encoding="utf-8")
        failure.unlink()
        raise UserError(sentence)
    with full_disk_in_a_sentence(stage):  # that of DVC's cache too, of which DVC speaks
        raise StageCrashError(errors[-1] if errors else f"exit status {status}")


def _repro(root: Path, stage: str, time_limit: float, force: bool) -> tuple[int, list[str]]:
    """Exit status and DVC's own errors; what the stage writes to stderr goes straight to the terminal."""
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *(["--force"] if force else []), stage]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, DIES_WITH_PARENT: "1"}
    if sys.stderr.isatty():
        environment[BARS] = "1"
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent,
    ) as process:
        try:
            errors = _relay(process, time.monotonic() + time_limit)
        except BaseException:
            end_group(process)
            raise
    return process.returncode, errors


def _relay(process: subprocess.Popen[bytes], deadline: float) -> list[str]:
    """Pass on what the stage writes, and keep DVC's errors back; raise when the time is over."""
    assert process.stderr is not None
    errors: list[str] = []
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise UserError("A stage took longer than runtime.stage_time_limit: raise it; the stage goes on later.")
            if not selector.select(timeout=min(left, 1.0)):
                continue
            chunk = os.read(process.stderr.fileno(), 65536)
            lines = LINE.findall(rest + chunk + (b"" if chunk else b"\n"))
            rest = (rest + chunk)[sum(map(len, lines)) :] if chunk else b""
            for line in lines:
                _pass_on(line, errors)
            if not chunk:
                return errors


def _pass_on(line: bytes, errors: list[str]) -> None:
    """Show one line (a bar ends in a carriage return), or keep it where DVC speaks of a failure."""
    text = line.decode("utf-8", errors="replace")
    if text.startswith("ERROR: "):
        errors.append(text.removeprefix("ERROR: ").strip())
    elif text.strip() and "sediff: error:" not in text:
        sys.stderr.write(text)
        sys.stderr.flush()


def end_group(process: subprocess.Popen) -> None:
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
