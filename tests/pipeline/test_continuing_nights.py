"""Nights on which records are added, and one after a withdrawal: what the trainings start from, and what tells it."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from sediff.files import read_json, sha256_file
from sediff.lineage.dvc_hash import md5_file
from tests.pipeline.clone import command
from tests.pipeline.nightly import change, said
from tests.pipeline.test_withdrawal import PATIENT, real_corpus, sediff

STEPS = 8
TRAINS = """
    from dataclasses import replace
    import torch
    from safetensors.torch import save_file
    from sediff.training import Schedule, train
    job = replace(context, device=torch.device("cpu")).job
    torch.manual_seed(job.seed)
    network = torch.nn.Linear(1, 1)
    job.begin(network, "denoiser")
    save_file(network.state_dict(), context.out / "began.safetensors")
    count = len(pl.read_parquet("data/corpus/records/*.parquet", columns=["record_id"]))
    x = torch.randn(count, 1, generator=torch.Generator().manual_seed(count))
    loss = lambda network, batch, rng: (network(batch).square().mean(), {})
    schedule = Schedule(job.steps(STEPS), 4, 0.01, warmup=1, average=0.5)
    trained = train(network, lambda rows: x[rows], loss, len(x), schedule, job, "denoiser")
    save_file(trained.network.state_dict(), context.out / "denoiser.safetensors")
    write_json(context.out / "curves.json", trained.curves)""".replace("STEPS", str(STEPS))
OWN = {
    "diffusion": (["data/corpus", "start.json"], TRAINS),
    "synthesis": (
        ["data/diffusion"],
        """
    (context.out / "dataset").mkdir()
    (context.out / "dataset/rows.bin").write_bytes(Path("data/diffusion/denoiser.safetensors").read_bytes()[::-1])""",
    ),
}


@pytest.mark.slow  # three refreshes; tests/publication/test_continuing.py has the decision alone
def test_a_night_with_new_records_continues_and_one_after_a_withdrawal_starts_from_nothing(tmp_path, vocabulary):
    project = real_corpus(tmp_path, vocabulary, OWN, "publication.continued_steps=0.5", later=3)
    published = project / ".sediff/published"
    made = published / "data/diffusion"
    first = sha256_file(made / "denoiser.safetensors")
    assert read_json(published / "start.json") == {}
    assert "continues" not in read_json(made / "manifest.json")
    assert last_step(made) == STEPS

    shutil.copy(tmp_path / "later.csv", tmp_path / "raw/ptbxl_database.csv")
    status, told = sediff(project, "refresh")
    assert (status, "trainings continue from ecg@v0.0.1" in told) == (0, True), told
    assert last_step(made) == STEPS / 2
    assert sha256_file(made / "began.safetensors") == first != sha256_file(made / "denoiser.safetensors")
    continues = read_json(made / "manifest.json")["continues"]
    assert (continues["version"], continues["files"]) == ("ecg@v0.0.1", {"denoiser.safetensors": first})
    found = json.loads(sediff(published, "audit", "data/diffusion/denoiser.safetensors", "--json")[1])
    started = next(node for node in found["nodes"] if node["type"] == "start of training")
    assert (started["label"], started["facts"]["sha256"]) == ("weights of diffusion of ecg@v0.0.1", continues["files"])
    assert "weights of diffusion of ecg@v0.0.1" in sediff(published, "audit", "data/diffusion/denoiser.safetensors")[1]
    assert read_json(published / "runs/publication.json")["continues"] == ["ecg@v0.0.1"]
    status, told = sediff(project, "verify", "ecg@v0.0.2")
    assert (status, "not here" in told) == (0, False), told
    status, told = sediff(project, "refresh")
    assert (status, "nothing has changed" in told) == (0, True), told
    a_clone_makes_the_same_bytes(tmp_path, published)

    status, told = sediff(project, "withdraw", PATIENT, "--patient")
    assert (status, "revoked: ecg@v0.0.2, ecg@v0.0.1" in told) == (0, True), told
    status, told = sediff(published, "run")
    assert (status, "would continue from ecg@v0.0.1, which is revoked" in told) == (1, True), told
    kept = project / ".dvc/cache/files/md5"
    weights = md5_file(published / "start/diffusion/denoiser.safetensors")
    assert (kept / weights[:2] / weights[2:]).exists()
    change(project)
    status, told = sediff(project, "refresh")
    assert status == 0, told
    assert "continues" not in read_json(made / "manifest.json")
    assert (read_json(published / "start.json"), last_step(made)) == ({}, STEPS)
    assert "start.dvc" not in said(project, "git", "ls-tree", "--name-only", "ecg@v0.0.3")
    assert not (published / "start").exists()
    status, told = sediff(project, "purge", "--yes")
    assert status == 0, told
    assert sha256_file(made / "denoiser.safetensors") != first
    assert not (kept / weights[:2] / weights[2:]).exists()
    status, told = sediff(project, "verify", "ecg@v0.0.3")
    assert status == 0, told


def last_step(made: Path) -> float:
    return read_json(made / "curves.json")["loss"]["x"][-1]


def a_clone_makes_the_same_bytes(folder: Path, published: Path) -> None:
    """Clone what is published, bring its data, and train once more."""
    said(folder, "git", "clone", "-q", "-b", "published", "remote.git", "elsewhere")
    elsewhere = folder / "elsewhere"
    status = command(elsewhere, sys.executable, "-m", "dvc", "repro", "--single-item", "--force", "diffusion")
    assert status.returncode, "its data are not here yet"
    said(elsewhere, sys.executable, "-m", "dvc", "pull", "-q")
    shutil.rmtree(elsewhere / ".dvc/cache/runs", ignore_errors=True)
    said(elsewhere, sys.executable, "-m", "dvc", "repro", "-q", "--single-item", "--force", "diffusion")
    for name in ("denoiser.safetensors", "began.safetensors", "manifest.json"):
        own = (elsewhere / "data/diffusion" / name).read_bytes()
        assert own == (published / "data/diffusion" / name).read_bytes(), name
