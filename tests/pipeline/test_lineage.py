"""Lineage of a whole run, as a user asks for it."""

import json
import shutil
from pathlib import Path

import pytest

from sediff.lineage.verify import Fault, verify
from tests.pipeline.clone import sediff
from tests.pipeline.tiny import make, walk


@pytest.fixture(scope="module")
def finished(ran, tmp_path_factory) -> Path:
    """A copy of the run as it ended, whatever others did with theirs."""
    folder = tmp_path_factory.mktemp("lineage") / "clone"
    shutil.copytree(ran / "clone", folder, symlinks=True)
    return folder


def test_a_run_is_as_it_was_recorded_and_its_records_are_made_again(finished):
    said = sediff(finished, "verify", "--rebuild", "6")
    assert "made again: 6 records, 6 of them byte for byte the same" in said
    assert said.rstrip().endswith("all as it was recorded")


def test_a_record_leads_to_every_stage_that_it_rests_on(finished):
    found = json.loads(sediff(finished, "audit", "evaluation/000003", "--json"))
    stages = {node["label"]: node["facts"] for node in found["nodes"] if node["type"] == "stage"}
    wanted = {"corpus", "simulator", "knowledge", "encoder@conditioner", "autoencoder", "diffusion"}
    assert set(stages) == wanted | {"synthesis@evaluation"}
    assert all(run["flow_run"] and run["commit"] for facts in stages.values() for run in facts["runs"])
    assert any(node["type"] == "simulator fit" and "mean relative error" in node["facts"] for node in found["nodes"])


def test_a_generated_record_leads_to_the_models_that_made_it(finished, tmp_path):
    out = str(tmp_path / "made")
    sediff(finished, "generate", "atrial fibrillation", "-n", "2", "--seed", "4", "--out", out)
    found = json.loads(sediff(finished, "audit", f"{out}/ecg001.dat", "--json"))
    assert {"seed": 4, "index": 1}.items() <= found["nodes"][0]["facts"].items()
    assert {"data/diffusion", "data/knowledge"} <= {node["label"] for node in found["nodes"]}


@pytest.fixture
def tiny(tmp_path, monkeypatch, server) -> Path:
    monkeypatch.chdir(make(tmp_path))
    return tmp_path


def test_what_the_runs_wrote_down_names_a_changed_file_where_the_cache_is_gone(tiny):
    walk(tiny)
    assert verify(tiny, None).faults == []
    shutil.rmtree(tiny / ".dvc/cache")
    out = tiny / "data/second/out.txt"
    out.write_text(out.read_text() + "!")
    assert verify(tiny, None).faults == [Fault("data/second/out.txt", "changed since it was made: its hash is another")]
