"""What many tests share: a small virtual cohort on disk, and the project's own folder."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sediff.cohort.params import CohortParams
from sediff.cohort.write import write_cohort
from sediff.sources import Source, scan
from sediff.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
# They begin, so that no process is left with one of them at the end; the first two make what those after them need.
LONGEST = (
    "test_smoke.py",
    "test_refresh.py",
    "test_kills.py",
    "test_walk.py",
    "test_runbook.py",
    "test_answers.py",
    "test_restricted.py",
    "test_damaged_objects.py",
    "test_training_processes.py",
    "test_evaluate.py",
    "test_training.py",
)
torch.set_num_threads(1)  # the networks of the tests are small, and threads that wait for each other spin
os.environ["OMP_WAIT_POLICY"] = "passive"  # nor do those of stages, whose number is in params.yaml; no byte changes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, and all of the pipeline's one after the other: they share a server."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ("pipeline" not in item.path.parts, places.get(item.path.name, len(LONGEST))))


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary.load(ROOT / "knowledge/statements.yaml")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory, vocabulary) -> Path:
    """A virtual cohort of 60 patients; tests that change it copy it first."""
    root = tmp_path_factory.mktemp("cohort") / "virtual"
    write_cohort(CohortParams(patients=60), root, vocabulary)
    return root


@pytest.fixture
def scanned(tmp_path):
    """Scan a folder as a source, `virtual` if nothing else is said."""

    def scanned(root: Path, name: str = "virtual", reader: str = "ptb-xl") -> Source:
        source = Source(name, reader, "open", root, tmp_path / f"sources/{name}.parquet")
        scan(source, tmp_path / f"scan/{name}.sqlite")
        return source

    return scanned


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 256 KiB, of memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
