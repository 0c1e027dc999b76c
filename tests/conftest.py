"""What many tests share: a small virtual cohort on disk, and the project's own folder."""

from pathlib import Path

import pytest
import torch

from sediff.cohort.params import CohortParams
from sediff.cohort.write import write_cohort
from sediff.sources import Source, scan
from sediff.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
torch.set_num_threads(1)  # the networks of the tests are small, and threads that wait for each other spin


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
