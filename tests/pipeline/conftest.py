"""One small run of the whole pipeline that several modules look at; tests that change it copy it first."""

from pathlib import Path

import pytest

from tests.pipeline.clone import checkout, sediff


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> tuple[Path, str]:
    """The clone in which it ran, and what it said."""
    folder = checkout(tmp_path_factory.mktemp("clone"))
    return folder, sediff(folder, "run")
