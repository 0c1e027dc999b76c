"""Whether the disk has room for a stage: asked before it runs for hours, and said where it was filled meanwhile."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sediff.errors import UserError
from sediff.lineage.dvc_hash import Cache

COPIES = 2  # of an out: work in progress, and the folder; DVC's cache, maybe on another disk, has one more
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def require_space(folder: Path, stage: str, size: int, reserve: float) -> None:
    """Refuse to start a stage that would fill the disk, its own or that of DVC's cache.

    Args:
        size: bytes of its last out; 0 where it never ran here.
        reserve: GB that must be free besides.

    Raises:
        UserError: says what is free and what is needed.
    """
    cache = Cache(folder).folder
    while not cache.is_dir():
        cache = cache.parent
    shared = cache.stat().st_dev == folder.stat().st_dev
    for place, copies in ((folder, COPIES + 1),) if shared else ((folder, COPIES), (cache, 1)):
        free, needed = shutil.disk_usage(place).free, copies * size + reserve * 1e9
        if free < needed:
            raise UserError(
                f"{free / 1e9:.1f} GB are free where {place.resolve()} is, and {stage} may need {needed / 1e9:.1f}: "
                "make room (`sediff gc`), or lower runtime.disk_reserve."
            )


@contextmanager
def full_disk_in_a_sentence(stage: str) -> Iterator[None]:
    """Let a disk that is full within the block be the user's to mend.

    Raises:
        UserError: it is, by the system's own error or by that of a library which only quotes it.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        quoted = any(os.strerror(number) in str(error) for number in NO_SPACE)
        if not (quoted or (isinstance(error, OSError) and error.errno in NO_SPACE)):
            raise
        raise UserError(f"{stage}: the disk is full; free some space and run again, and it goes on.") from None
