"""One small run of the whole pipeline that several modules look at; tests that change it copy it first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sediff.pipeline.server import prefect_server
from tests.pipeline.clone import checkout, sediff


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[str]:
    """The one server of this process, whose address Prefect's client keeps."""
    with prefect_server(tmp_path_factory.mktemp("prefect"), 120) as api:
        yield api


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> tuple[Path, str]:
    """The clone in which it ran, and what it said."""
    folder = checkout(tmp_path_factory.mktemp("clone"))
    return folder, sediff(folder, "run")
