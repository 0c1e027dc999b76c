"""The whole pipeline as a user runs it, small: on the virtual cohort, and on real PTB-XL where it is there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import wfdb

from sediff.params import set_params
from tests.pipeline.clone import MAIN, ROOT, checkout, command, sediff

UNPACK = ROOT.parent / "shared/data/ptb-xl/unpack.py"
STAGES = ("corpus", "simulator", "knowledge", "autoencoder", "diffusion", "evaluation", "augmentation")
ENCODERS = ("encoder@conditioner", "encoder@judges")
REQUESTS = ("synthesis@evaluation", "synthesis@augmentation", "synthesis@dataset")


def test_every_stage_says_what_it_made(project):
    folder, output = project
    for stage in (*STAGES, *ENCODERS, *REQUESTS, "report"):
        assert f"\n{stage}: " in f"\n{output}", stage
        assert any(line.startswith(stage) and line.endswith("%") for line in output.splitlines()), stage
    assert output.rstrip().endswith("report: reports/index.html")
    assert "gates failed: " in output or "all gates passed" in output
    page = (folder / "reports/index.html").read_text()
    assert 50_000 < len(page) < 15 * 2**20
    assert "<h3>Asked</h3>" in page


def test_git_stays_clean(project):
    status = command(project[0], "git", "status", "--porcelain").stdout.split()
    assert status in ([], ["??", "dvc.lock"])


def test_every_out_says_where_it_came_from(project):
    folder, _ = project
    paths = [folder / "data" / stage.replace("@", "/") for stage in (*STAGES, *ENCODERS, *REQUESTS)]
    prints = {
        path.relative_to(folder / "data").as_posix(): json.loads((path / "manifest.json").read_text())["fingerprint"]
        for path in paths
    }
    assert len(set(prints.values())) == len(paths)
    rows = pl.read_parquet(folder / "data/synthesis/dataset/records/*.parquet")
    assert rows["fingerprint"].unique().to_list() == [prints["synthesis/dataset"]]


def test_no_out_holds_time_host_or_run(ran, project):
    folder, _ = project
    records = [json.loads(path.read_text()) for path in (folder / "runs").glob("*/*/*.json")]
    secrets = {record["flow_run"] for record in records} | {record["started"] for record in records}
    secrets |= {str(ran / "clone"), str(folder)}
    if len(os.uname().nodename) > 7:  # a short name occurs in compressed bytes by chance
        secrets.add(os.uname().nodename)
    for path in [*(folder / "data").rglob("*"), *(folder / "reports").rglob("*")]:
        if path.is_file() and "sources" not in path.parts:
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in secrets if secret), path


def test_training_patients_alone_are_learned_from(project):
    folder, _ = project
    rows = pl.read_parquet(folder / "data/corpus/records/*.parquet", columns=["record_id", "patient_id", "split"])
    split = dict(zip(rows["record_id"], rows["split"], strict=True))
    patient = dict(zip(rows["record_id"], rows["patient_id"], strict=True))
    experience = pl.read_parquet(folder / "data/knowledge/experience.parquet")
    for record, neighbours in zip(experience["record_id"], experience["neighbours"], strict=True):
        assert all(split[neighbour] == "train" for neighbour in neighbours)
        assert patient[record] not in {patient[neighbour] for neighbour in neighbours}
    for request, wanted in (("augmentation", "train"), ("evaluation", "test")):
        made = pl.read_parquet(folder / f"data/synthesis/{request}/records/*.parquet")
        assert {split[record] for record in made["matched_record_id"]} == {wanted}


def test_the_second_run_runs_nothing_and_plan_agrees(project):
    folder, _ = project
    assert "Everything is up to date; nothing ran" in sediff(folder, "run")
    assert sediff(folder, "plan").count("up to date") == len((*STAGES, *ENCODERS, *REQUESTS)) + 1
    assert "nothing ran" in sediff(folder, "run", "--set", "runtime.workers=1")
    subprocess.run(["git", "checkout", "-q", "params.yaml"], cwd=folder, check=True)


def test_a_gate_reruns_the_report_alone_and_can_fail(project, tmp_path):
    folder = tmp_path / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    output = sediff(folder, "run", "--set", "gates.evaluation.heart_rate.mae_bpm={max: 0}")
    ran = [line.split()[0] for line in output.splitlines() if line.endswith("%") and not line.startswith("all")]
    assert ran == ["report"]
    assert "failed: evaluation.heart_rate.mae_bpm" in output


def test_dvc_works_as_a_dvc_user_expects(project):
    folder, _ = project
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for arguments in (["dag"], ["metrics", "show"], ["params", "diff"], ["status"]):
        result = subprocess.run(
            ["dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
    assert "diffusion" in command(folder, sys.executable, "-m", "dvc", "dag").stdout


def test_generate_writes_records_that_others_read(project, tmp_path):
    folder, made, again = project[0], tmp_path / "made", tmp_path / "again"
    arguments = ("generate", "atrial fibrillation", "--age", "71", "--sex", "F", "--heart-rate", "110", "-n", "2")
    output = sediff(folder, *arguments, "--seed", "0", "--out", str(made), "--explain")
    assert "experience: " in output
    record = wfdb.rdrecord(str(made / "ecg001"))
    assert record.p_signal.shape == (1000, 12)
    assert "SYNTHETIC" in record.comments[0]
    assert (made / "ecg000.png").read_bytes().startswith(b"\x89PNG")
    first = (made / "ecg000.dat").read_bytes()
    sediff(folder, *arguments, "--out", str(again))
    assert (again / "ecg000.dat").read_bytes() == first, "the same prompt and seed give the same record"
    assert "understood: atrial fibrillation" in output
    refused = command(folder, sys.executable, "-c", MAIN, *arguments, "--out", str(made))
    assert refused.returncode == 1
    assert "made holds ecg000" in refused.stderr


def test_damaged_weights_are_one_sentence(project, tmp_path):
    folder = tmp_path / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    weights = folder / "data/diffusion/denoiser.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    for damaged in (None, content[: len(content) // 2]):
        if damaged is not None:
            weights.write_bytes(damaged)
        result = command(folder, sys.executable, "-c", MAIN, "generate", "sinus rhythm", "--out", str(tmp_path / "out"))
        assert result.returncode == 1
        assert "denoiser.safetensors is missing or damaged" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.skipif(not UNPACK.exists(), reason=f"no real PTB-XL at {UNPACK}")
def test_a_slice_of_real_ptb_xl(tmp_path_factory, monkeypatch):
    """By DVC alone, without a server."""
    raw, folder = tmp_path_factory.mktemp("ptb-xl"), checkout(tmp_path_factory.mktemp("clone"))
    subprocess.run([sys.executable, UNPACK, raw, "--folds", "9"], check=True, capture_output=True)
    table = (raw / "ptbxl_database.csv").read_text().splitlines(keepends=True)
    (raw / "ptbxl_database.csv").write_text("".join(table[:301]))
    sediff(folder, "configure", "--corpus", str(raw))
    # One fold is here: it is for training, and validation and test are split from it by patient.
    set_params(folder / "params.yaml", ["corpus.folds={train: [9], validation: [8], test: [10]}"])
    sediff(folder, "scan")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    made = command(folder, sys.executable, "-m", "dvc", "repro")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Traceback" not in made.stderr and "corpus: " in made.stderr
    metrics = json.loads((folder / "reports/corpus/metrics.json").read_text())
    assert metrics["records"] > 250
    assert min(metrics["splits"].values()) > 10
    assert (folder / "reports/index.html").exists()
