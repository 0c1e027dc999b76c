from pathlib import Path

import pytest

from tests.datasets import write_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """A synthetic dataset that its readers leave as it is."""
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder)
    return folder
