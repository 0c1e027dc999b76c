import shutil
from pathlib import Path

import pytest


@pytest.fixture
def damaged(cohort, tmp_path) -> Path:
    """A copy of the cohort that a test may damage."""
    return Path(shutil.copytree(cohort, tmp_path / "raw"))
