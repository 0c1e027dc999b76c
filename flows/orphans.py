"""A stage ends with the run that started it, however that ended: no trainer outlives its parent.

DVC leads the session in which its stages run (see `sediff.pipeline.execute`). Between it and a stage there may be a
shell, `/bin/sh` where `SHELL` is not set, as under cron and systemd: it outlives DVC, so the stage cannot wait for its
own parent's death alone.
"""

import os
import select
import signal
import sys
import threading
import time

import psutil

from sediff.processes import die_with_parent

EVERY = 0.2  # seconds between looks, where no event tells


def end_with_run() -> None:
    """End this process when DVC does, be it gone already: while Python starts nothing would tell."""
    die_with_parent()
    leader = os.getsid(0)
    if leader == os.getpid():
        return
    if leader not in {process.pid for process in psutil.Process().parents()}:
        sys.exit("the run that started this stage has ended")
    threading.Thread(target=_end_with, args=(leader, _event(leader)), name="end with run", daemon=True).start()


def _event(pid: int) -> int | None:
    """A descriptor that is ready once a process has ended; None where the system, or a sandbox, gives none."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        sys.exit("the run that started this stage has ended")
    except (OSError, AttributeError):
        return None


def _end_with(pid: int, event: int | None) -> None:
    """Wait for another process's end, then end this one."""
    if event is not None:
        select.select([event], [], [])
    else:
        while _runs(pid):
            time.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGKILL)


def _runs(pid: int) -> bool:
    """Whether a process is at work: where nobody takes note of its end, it stays on as a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
