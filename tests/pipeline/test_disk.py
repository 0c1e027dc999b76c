"""Room for a stage, where it works and where DVC keeps what it made."""

import shutil
import tempfile
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.pipeline.disk import require_space

SHARED_MEMORY = Path("/dev/shm")


def test_a_stage_that_would_fill_the_disk_does_not_start(tmp_path):
    free = shutil.disk_usage(tmp_path).free / 1e9
    require_space(tmp_path, "diffusion", 0, free / 2)
    with pytest.raises(UserError, match=r"diffusion may need .*lower runtime\.disk_reserve"):
        require_space(tmp_path, "diffusion", 0, free * 2)
    with pytest.raises(UserError, match=r"diffusion may need 3000000000\.0"):
        require_space(tmp_path, "diffusion", 10**18, 0)


def test_the_disk_of_the_cache_is_looked_at_too(tmp_path):
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has one disk")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as other:
        small, large = sorted([tmp_path, Path(other)], key=lambda place: shutil.disk_usage(place).free)
        between = sum(shutil.disk_usage(place).free for place in (small, large)) / 2e9
        require_space(large, "diffusion", 0, between)
        (large / ".dvc").mkdir()
        (large / ".dvc/config").write_text(f"[cache]\n    dir = {small / 'cache'}\n")
        with pytest.raises(UserError, match=f"GB are free where {small} is"):
            require_space(large, "diffusion", 0, between)
