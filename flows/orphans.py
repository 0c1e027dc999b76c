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

from psutil import Process

from sediff.processes import die_with_parent


def end_with_run() -> None:
    """End this process when DVC does, be it gone already: while Python starts nothing would tell."""
    die_with_parent()
    leader = os.getsid(0)
    if leader == os.getpid():
        return
    if leader not in {process.pid for process in Process().parents()}:
        sys.exit("the run that started this stage has ended")
    if sys.platform == "linux":
        _end_with(leader)


def _end_with(pid: int) -> None:
    """End this process as soon as another one has ended."""
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        sys.exit("the run that started this stage has ended")

    def wait() -> None:
        select.select([ended], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="end with run", daemon=True).start()
