"""Datasets of a whole run say what they are, and are exported with it."""

import json
import subprocess

import mlcroissant
import numpy as np
import pytest

from sediff.records import read_signals
from tests.pipeline.clone import sediff


@pytest.mark.parametrize("request_name", ["dataset", "evaluation", "augmentation"])
def test_a_request_is_described(project, request_name):
    folder = project[0] / "data/synthesis" / request_name
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    assert not mlcroissant.Dataset(folder / "croissant.json").metadata.ctx.issues.errors
    about = json.loads((folder / "dataset.json").read_text())
    assert about["records"] == len(read_signals(folder / "records"))
    assert [source["name"] for source in about["sources"]] == ["virtual"]
    assert about["request"] and about["sampler"]["steps"] and about["seeds"] == [0]
    assert "which is simulated and holds no patient" in (folder / "README.md").read_text()


def test_the_dataset_is_exported(project, tmp_path):
    folder = project[0]
    output = sediff(
        folder, "export", "data/synthesis/dataset", "--format", "numpy", "--first", "2", "--out", str(tmp_path / "out")
    )
    assert "2 synthetic records as numpy" in output
    source = read_signals(folder / "data/synthesis/dataset/records")[:2]
    assert (np.load(tmp_path / "out/signals.npy") == source).all()
    assert "which is simulated" in (tmp_path / "out/README.md").read_text()
