"""Processes that do not outlive the one that started them, however it ended."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
DIES_WITH_PARENT = "SEDIFF_DIES_WITH_PARENT"  # set by a run for its stages; one started by hand may be left alone


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, by `kill -9` too; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
