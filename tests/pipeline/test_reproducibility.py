"""What the bytes depend on, and what not: held-out records, interruptions, a second run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sediff.lineage.dvc_hash import files_of, md5_files, md5_of
from tests.pipeline.clone import MAIN, checkout, command, sediff
from tests.pipeline.nightly import said

LEARNED = ("simulator", "encoder@conditioner", "encoder@judges", "autoencoder", "diffusion")


def outs(folder: Path) -> dict[str, str]:
    """Content hash of each out, as DVC locked it."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def manifests(folder: Path) -> dict[str, dict]:
    paths = sorted((folder / "data").rglob("manifest.json"))
    return {path.relative_to(folder).as_posix(): json.loads(path.read_text()) for path in paths}


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def spoil_held_out(corpus: Path) -> int:
    """Replace signal, peaks, rate, age and statements of all records that are not for training; how many."""
    spoiled, rng = 0, np.random.default_rng(0)
    for path in sorted(corpus.glob("records/*.parquet")):
        table = pq.read_table(path)
        held_out = np.array([split != "train" for split in table["split"].to_pylist()])
        spoiled += int(held_out.sum())
        for name, change in {
            "signal": lambda cell: rng.integers(-3000, 3000, len(cell) // 2).astype("<i2").tobytes(),
            "r_peaks": lambda cell: [0.5 + 0.31 * i for i in range(len(cell))],
            "heart_rate": lambda _: 193.0,
            "age": lambda _: 99.0,
            "axis": lambda _: -170.0,
            "statements": lambda _: ["CLBBB"],
        }.items():
            cells = [change(cell) if out else cell for cell, out in zip(table[name].to_pylist(), held_out, strict=True)]
            column = pa.array(cells, table.schema.field(name).type)
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
        pq.write_table(table, path)
    return spoiled


def run_and_kill(folder: Path, stage: str) -> None:
    """Start a run and kill it, -9, as soon as the stage has written work in progress."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    command = [sys.executable, "-c", MAIN, "run"]
    started = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    work = folder / ".sediff/work" / stage
    while started.poll() is None and not any(path.is_file() for path in work.rglob("*")):
        time.sleep(0.02)
    assert started.poll() is None, f"the run ended before {stage} could be interrupted"
    started.send_signal(signal.SIGKILL)
    started.wait()


def test_held_out_records_change_nothing_that_is_learned(project, tmp_path):
    folder, _ = project
    other = tmp_path / "clone"
    shutil.copytree(folder, other, symlinks=True)
    assert spoil_held_out(other / "data/corpus") > 10
    for stage in LEARNED:
        name, *item = stage.split("@")
        made = Path("data", name, *item)
        result = command(other, sys.executable, "-m", f"flows.{name}", *item)
        assert result.returncode == 0, result.stderr
        assert contents(other / made) == contents(folder / made), stage


def hashes(folder: Path) -> dict[str, str]:
    """Content hash of each out, of the files as they lie there."""
    return {path: md5_of(md5_files(files_of(folder / path))) for path in outs(folder)}


def test_a_clone_pulls_the_same_bytes_and_has_nothing_to_run(project, tmp_path):
    folder, other = tmp_path / "clone", tmp_path / "other"
    shutil.copytree(project[0], folder, symlinks=True)
    said(folder, sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    said(folder, "git", "add", "dvc.lock", ".dvc/config")
    said(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t")
    said(folder, sys.executable, "-m", "dvc", "push", "-q")
    said(tmp_path, "git", "clone", "-q", str(folder), str(other))
    said(other, sys.executable, "-m", "dvc", "pull", "-q")
    assert hashes(other) == outs(other) == outs(folder)
    assert "nothing ran" in sediff(other, "run")


@pytest.mark.slow
def test_a_second_clone_and_killed_runs_give_the_same_bytes(project, tmp_path):
    longer = ("--set", "diffusion.steps=250")  # longer than the first checkpoint
    folder, other = tmp_path / "clone", checkout(tmp_path / "other")
    shutil.copytree(project[0], folder, symlinks=True)
    sediff(folder, "run", *longer)
    shutil.copy(folder / "params.yaml", other / "params.yaml")
    for stage in ("encoder@judges", "diffusion", "synthesis@evaluation"):
        run_and_kill(other, stage)
    sediff(other, "run")
    assert hashes(other) == outs(other) == outs(folder)
    assert manifests(other) == manifests(folder)
