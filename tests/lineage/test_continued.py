"""A training that continues from a published version: what audit, impact and verify say of it."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from sediff.files import read_json, sha256_file, sha256_json, write_json
from sediff.lineage.ancestor import Ancestor, Weights, write_ancestor
from sediff.lineage.audit import audit
from sediff.lineage.impact import impact, impact_lines
from sediff.lineage.project import ORIGIN
from sediff.lineage.tree import tree_lines
from sediff.lineage.verify import verify
from sediff.pseudonyms import Pseudonyms

DIFFUSION = "data/diffusion/manifest.json"
WEIGHTS = Weights(fingerprint="f" * 64, files={"denoiser.safetensors": "a" * 64})
ANCESTOR = Ancestor(version="ecg@v0.0.2", before=("ecg@v0.0.1",), steps=0.5, stages={"diffusion": WEIGHTS})


@pytest.fixture
def continued(tree) -> Path:
    """The tree as if its denoiser continued from a version, which DVC has not recorded."""
    graph = yaml.safe_load((tree / "dvc.yaml").read_text())
    graph["stages"]["diffusion"]["deps"].append("start.json")
    (tree / "dvc.yaml").write_text(yaml.safe_dump(graph))
    write_ancestor(tree, ANCESTOR)
    manifest = read_json(tree / DIFFUSION) | {"continues": ANCESTOR.told("diffusion")}
    manifest["inputs"]["start.json"] = sha256_file(tree / "start.json")
    manifest["fingerprint"] = sha256_json({name: manifest[name] for name in ORIGIN})
    write_json(tree / DIFFUSION, manifest)
    return tree


def test_audit_leads_to_the_version_whose_weights_it_started_with(continued):
    lineage = audit(continued, "data/diffusion/denoiser.safetensors")
    node = lineage.nodes["weights:ecg@v0.0.2/diffusion"]
    assert node.facts == {"fingerprint": "f" * 64, "sha256": dict(WEIGHTS.files), "before": ["ecg@v0.0.1"]}
    assert [link.source for link in lineage.after(node.key)] == ["stage:diffusion"]
    told = "\n".join(tree_lines(lineage))
    assert "start of training weights of diffusion of ecg@v0.0.2" in told
    assert "before: ecg@v0.0.1" in told


def test_impact_names_the_models_that_continue_from_one_that_saw_the_patient(continued):
    records = pl.read_parquet(continued / "data/corpus/records/*.parquet", columns=["record_id", "split"])
    record = records.filter(pl.col("split") == "train")["record_id"][0]
    found = impact(continued, record, "record", Pseudonyms())
    assert found.as_json()["continues"] == {"diffusion": ANCESTOR.told("diffusion")}
    lines = impact_lines(replace(found, versions={"ecg@v0.0.1": "made from it; revoked"}))
    assert (
        "diffusion: continues from denoiser.safetensors aaaaaaaaaaaaaaaa of ecg@v0.0.2 (did not learn from it), before "
        "that ecg@v0.0.1 (made from it; revoked)"
    ) in lines


def test_verify_finds_a_manifest_that_names_another_start(continued):
    def told() -> list[str]:
        return [fault.why for fault in verify(continued, None).faults if fault.what == "manifest of diffusion"]

    assert told() == []
    manifest = read_json(continued / DIFFUSION)
    write_json(continued / DIFFUSION, manifest | {"continues": {**manifest["continues"], "version": "ecg@v0.0.9"}})
    assert told() == ["it names another version that its training continues from than start.json"]
    write_json(continued / DIFFUSION, {name: value for name, value in manifest.items() if name != "continues"})
    assert told() == ["it names another version that its training continues from than start.json"]


def test_verify_finds_a_start_that_was_emptied_by_hand(continued):
    write_ancestor(continued, ANCESTOR.model_copy(update={"stages": {}}))
    told = [fault.why for fault in verify(continued, None).faults if fault.what == "manifest of diffusion"]
    assert "it names another version that its training continues from than start.json" in told
