"""Whether the disk has room for a stage, asked before it runs for hours."""

import shutil
from pathlib import Path

from sediff.errors import UserError

COPIES = 3  # of an out: work in progress, the folder, DVC's cache


def require_space(folder: Path, stage: str, size: int, reserve: float) -> None:
    """Refuse to start a stage that would fill the disk.

    Args:
        size: bytes of its last out; 0 where it never ran here.
        reserve: GB that must be free besides.

    Raises:
        UserError: says what is free and what is needed.
    """
    free, needed = shutil.disk_usage(folder).free, COPIES * size + reserve * 1e9
    if free < needed:
        raise UserError(
            f"{free / 1e9:.1f} GB are free here and {stage} may need {needed / 1e9:.1f}: make room (`sediff gc`), or "
            "lower runtime.disk_reserve."
        )
