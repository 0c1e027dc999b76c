"""One small run of the whole pipeline, and one tiny project that is published, which several modules look at."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sediff.pipeline.server import prefect_server
from tests.once import made_once
from tests.pipeline import nightly
from tests.pipeline.clone import checkout, sediff


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[str]:
    """The one server of this process, whose address Prefect's client keeps."""
    with prefect_server(tmp_path_factory.mktemp("prefect"), 120) as api:
        yield api


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> Path:
    """Where all processes find the clone in which it ran, `clone`, and what it said, `said`."""
    return made_once(tmp_path_factory, "smoke", _run)


def _run(folder: Path) -> None:
    (folder / "said").write_text(sediff(checkout(folder / "clone"), "run"))


@pytest.fixture(scope="session")
def project(ran, tmp_path_factory) -> tuple[Path, str]:
    """This process's copy of the clone, and what was said; tests that change it copy it again."""
    folder = tmp_path_factory.mktemp("clone") / "clone"
    shutil.copytree(ran / "clone", folder, symlinks=True)
    return folder, (ran / "said").read_text()


@pytest.fixture(scope="session")
def first_version(tmp_path_factory) -> nightly.Published:
    """Where all processes find a tiny project whose first version is published; `copied` gives one to work in."""
    folder = made_once(tmp_path_factory, "published", nightly.publish)
    return nightly.Published(folder / "checkout", float((folder / "seconds").read_text()))
