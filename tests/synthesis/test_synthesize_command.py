"""`sediff synthesize` as a user runs it, and as the system kills it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlcroissant
import polars as pl
import pytest
import yaml

from sediff.records import read_columns

ROOT = Path(__file__).parents[2]
MAIN = "from sediff.cli import main; main()"
SHOWN = ("sediff", "flows", "knowledge", "dvc.yaml", "constraints.txt")
REQUEST = [{"text": "atrial fibrillation", "records": 700}, {"like": "corpus", "records": 500}]


@pytest.fixture(scope="module")
def project(models, tmp_path_factory) -> Path:
    """The code, models of random weights, and a request of five shards."""
    folder = tmp_path_factory.mktemp("project")
    for name in SHOWN:
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").symlink_to(models)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["synthesis"]["sampler"] |= {"steps": 1, "guidance": 1.0}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    (folder / "request.yaml").write_text(yaml.safe_dump(REQUEST))
    code, said = finished(folder, "--out", "whole", "--workers", "1")
    assert code == 0, said
    return folder


def start(project: Path, *arguments: str, request: str = "request.yaml") -> subprocess.Popen:
    command = [sys.executable, "-c", MAIN, "synthesize", request, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True)


def finished(project: Path, *arguments: str, request: str = "request.yaml") -> tuple[int, str]:
    process = start(project, *arguments, request=request)
    said = process.communicate()[1]
    return process.returncode, said


def shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "records").glob("*"))}


def files(out: Path) -> dict[str, bytes]:
    """What the folder says of itself."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


@contextmanager
def on_runner(project: Path, name: str) -> Iterator[None]:
    """runtime.runner, which no byte depends on, is another within the block."""
    path = project / "params.yaml"
    before = path.read_text()
    values = yaml.safe_load(before)
    values["runtime"]["runner"] = name
    path.write_text(yaml.safe_dump(values))
    try:
        yield
    finally:
        path.write_text(before)


def exported(project: Path, out: str) -> tuple[int, str]:
    command = [sys.executable, "-c", MAIN, "export", out, "--format", "numpy", "--out", f"{out}-numpy"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def made_at(path: Path) -> int:
    """In ns; 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def kill_at_work(project: Path, out: str, shard: int, *options: str, request: str = "request.yaml") -> None:
    """Begin or go on with a dataset, and kill -9 once a shard is there."""
    entry = project / out / f".shards/{shard:06d}.json"
    before = made_at(entry)
    process = start(project, "--out", out, "--workers", "1", *options, request=request)
    deadline = time.monotonic() + 120
    while made_at(entry) in (0, before) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was killed at work"
    process.stderr.close()
    assert not (project / out / "manifest.json").exists()


def test_a_killed_dataset_goes_on_to_the_same_bytes(project):
    """By kill -9 after the first shard, and again after the second: what was finished is not made again."""
    whole = shards(project / "whole")
    assert len(whole) == 5
    out, kept = project / "killed", {}
    for number in range(2):
        kill_at_work(project, "killed", number)
        code, said = exported(project, "killed")
        assert code == 1 and "killed is not finished: run the `sediff synthesize` that began it" in said
        path = out / f"records/shard-{number:06d}.parquet"
        kept[path] = path.stat().st_mtime_ns
    code, said = finished(project, "--out", "killed", "--resume")
    assert code == 0, said
    assert shards(out) == whole
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in kept.items())
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (out, project / "whole")]
    assert manifests[0] == manifests[1] and manifests[0]["records"] == 1200
    rows = read_columns(out / "records")
    assert rows["index"].to_list() == list(range(1200))
    assert (out / "request.yaml").read_text() == (project / "request.yaml").read_text()


@pytest.mark.parametrize("name", ["dask", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_cluster_of_two_workers_gives_the_same_bytes(project, name):
    """As one process: through Prefect's task runner, on a real cluster of this machine. The request's name is none."""
    pytest.importorskip(f"prefect_{name}")
    shutil.copy(project / "request.yaml", project / "renamed.yaml")
    with on_runner(project, name):
        code, said = finished(project, "--out", name, "--workers", "2", request="renamed.yaml")
    assert code == 0, said
    assert shards(project / name) == shards(project / "whole")
    assert files(project / name) == files(project / "whole")


@pytest.mark.slow
def test_ten_thousand_records_are_the_same_however_they_are_made(project):
    """By one worker, by four, after three kill -9, on Dask, on Ray."""
    (project / "large.yaml").write_text(yaml.safe_dump([{**part, "records": 5000} for part in REQUEST]))
    for number in range(3):
        kill_at_work(project, "large-killed", 10 * number, request="large.yaml")
    made = {}
    for out, workers, name in (
        ("killed", 1, "processes"), ("one", 1, "processes"), ("four", 4, "processes"), ("dask", 2, "dask"),
        ("ray", 2, "ray"),
    ):  # fmt: skip
        with on_runner(project, name):
            code, said = finished(project, "--out", f"large-{out}", "--workers", str(workers), request="large.yaml")
        assert code == 0, said
        made[out] = shards(project / f"large-{out}")
    assert len(read_columns(project / "large-one/records")) == 10_000 and len(made["one"]) == 40
    assert all(of == made["one"] for of in made.values())


def test_a_smaller_request_has_the_same_rows_but_for_the_fingerprint(project):
    """Which names the manifest, and so the request."""
    (project / "smaller.yaml").write_text(yaml.safe_dump([REQUEST[0], {**REQUEST[1], "records": 20}]))
    code, said = finished(project, "--out", "smaller", "--workers", "2", request="smaller.yaml")
    assert code == 0, said
    paths = [project / name / "records/shard-*.parquet" for name in ("smaller", "whole")]
    few, many = (pl.read_parquet(path).sort("index").head(720) for path in paths)
    assert few.drop("fingerprint").equals(many.drop("fingerprint")), "signals too"
    for rows, name in ((few, "smaller"), (many, "whole")):
        manifest = json.loads((project / name / "manifest.json").read_text())
        assert rows["fingerprint"].unique().to_list() == [manifest["fingerprint"]]
    assert few["fingerprint"][0] != many["fingerprint"][0]


def explained(project: Path, out: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, "synthesize", "request.yaml", "--out", out, "--explain"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_what_records_rest_on_is_printed_where_it_is_asked_for(project):
    """Of a dataset that is whole already: the same call with `--explain` makes nothing."""
    before = shards(project / "whole")
    lines = explained(project, "whole").stdout.splitlines()
    assert lines[0] == "atrial fibrillation: 700 records, the first of index 0" and lines[1].startswith(
        "  experience: "
    )
    assert "by meaning" in lines[2] and "more conditions: a row of whole/records" in lines[-2]
    assert lines[-1] == "1200 synthetic records, in whole" and shards(project / "whole") == before


def test_what_records_rest_on_is_read_after_the_code_changed_where_none_is_to_be_made(project):
    out = shutil.copytree(project / "whole", project / "older")
    identity = out / ".shards/identity.json"
    identity.write_text(json.dumps(json.loads(identity.read_text()) | {"version of sediff": "older"}))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    process = explained(project, "older")
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == "1200 synthetic records, in older"
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "records/shard-000002.parquet").unlink()
    process = explained(project, "older")
    assert process.returncode == 1 and "older holds a dataset of another version of sediff" in process.stderr


def test_another_seed_in_the_folder_is_refused_in_a_sentence(project):
    before = shards(project / "whole")
    code, said = finished(project, "--out", "whole", "--seed", "7")
    assert code == 1 and "whole holds a dataset of another seed: give another folder" in said
    assert "Traceback" not in said and shards(project / "whole") == before


def test_another_request_in_the_folder_is_refused_in_a_sentence(project):
    before = shards(project / "whole")
    (project / "other.yaml").write_text("{text: sinus rhythm, records: 4}")
    code, said = finished(project, "--out", "whole", request="other.yaml")
    assert code == 1 and "whole holds a dataset of another request: give another folder" in said
    assert "Traceback" not in said and shards(project / "whole") == before


def test_a_folder_in_which_another_process_makes_a_dataset_is_left_alone(project):
    """Of another clone, whose locks are elsewhere."""
    before = shards(project / "whole")
    folder = os.open(project / "whole", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        code, said = finished(project, "--out", "whole", "--fresh")
    finally:
        os.close(folder)
    assert code == 1 and "Another process makes a dataset in whole: wait for it" in said and "Traceback" not in said
    assert shards(project / "whole") == before


def test_a_dataset_that_is_begun_anew_does_not_speak_of_the_last_one(project):
    """Killed after its first shard: nothing says that it is whole, nor what the one before it was."""
    shutil.copytree(project / "whole", project / "anew")
    kill_at_work(project, "anew", 0, "--fresh", "--seed", "3")
    assert sorted(files(project / "anew")) == []
    code, said = exported(project, "anew")
    assert code == 1 and "anew is not finished" in said
    code, said = finished(project, "--out", "anew", "--seed", "3")
    assert code == 0 and sorted(files(project / "anew")) == sorted(files(project / "whole"))
    assert exported(project, "anew")[0] == 0


def test_a_folder_of_other_files_is_refused_as_it_is(project):
    out = project / "notes"
    out.mkdir()
    (out / "README.md").write_text("mine")
    code, said = finished(project, "--out", "notes", "--fresh")
    assert code == 1 and "notes holds README.md, which is no part of a dataset" in said and "Traceback" not in said
    assert [path.name for path in out.iterdir()] == ["README.md"] and (out / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["intervals.yaml", "intervals.parquet"])
def test_intervals_that_the_models_cannot_follow_remove_no_older_dataset(project, name):
    rows = pl.DataFrame({"text": ["AF", "AF"], "qrs": [None, 90.0]})
    rows.write_parquet(project / "intervals.parquet")
    (project / "intervals.yaml").write_text(yaml.safe_dump(rows.to_dicts()[1:]))
    before = shards(project / "whole")
    code, said = finished(project, "--out", "whole", "--fresh", request=name)
    assert code == 1 and f"{name} asks for pr, qrs, qt or one of them" in said and "Traceback" not in said
    assert shards(project / "whole") == before


def test_the_request_may_lie_in_its_dataset_and_fresh_leaves_no_other(project):
    out = project / "again"
    shutil.copytree(project / "whole", out)
    code, said = finished(project, "--out", "again", request="again/request.yaml")
    assert code == 0, said
    assert shards(out) == shards(project / "whole")
    (out / "request.yml").write_text("{text: atrial fibrillation, records: 2}")
    code, said = finished(project, "--out", "again", "--fresh", "--workers", "1", request="again/request.yml")
    assert code == 0, said
    assert [path.name for path in out.glob("request*")] == ["request.yml"]
    assert json.loads((out / "manifest.json").read_text())["records"] == 2


def test_a_disk_that_is_full_after_the_last_shard_is_a_sentence(project):
    out = project / "full"
    shutil.copytree(project / "whole", out)
    (out / "request.yaml").unlink()
    (out / "request.yaml").symlink_to("/dev/full")
    code, said = finished(project, "--out", "full")
    assert code == 1 and "full cannot be written to (No space left on device)" in said and "Traceback" not in said


def test_the_folder_says_what_it_is(project):
    out = project / "whole"
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=True)
    listed = (out / "SHA256SUMS").read_text()
    assert "records/shard-000004.parquet" in listed and ".shards" not in listed
    about = json.loads((out / "dataset.json").read_text())
    assert (about["records"], about["request"]["file"], about["sampler"]["steps"]) == (1200, "request.yaml", 1)
    assert about["statements"]["AFIB"] >= 700
    assert not mlcroissant.Dataset(out / "croissant.json").metadata.ctx.issues.errors


def test_the_stage_makes_of_a_parquet_request_what_the_command_makes(project, tmp_path):
    """Rows, datasheet and the request itself; of the rows only the fingerprint is the stage's own."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in SHOWN:
        (clone / name).symlink_to(ROOT / name)
    shutil.copytree(project / "data", clone / "data")
    shutil.copy(project / "params.yaml", clone)
    asked = {"text": ["atrial fibrillation", "sinus rhythm"], "age": [71.0, None], "records": [3, 2]}
    pl.DataFrame(asked).write_parquet(clone / "mine.parquet")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command], cwd=clone, env=environment, capture_output=True, text=True)

    told = run("-c", MAIN, "configure", "--request", "mine.parquet")
    assert told.returncode == 0 and "mine.parquet" in told.stdout, told.stderr
    told = run("-m", "flows.synthesis", "dataset")
    assert told.returncode == 0, told.stderr
    code, said = finished(clone, "--out", "made", "--workers", "1", request="mine.parquet")
    assert code == 0, said
    of_stage, of_command = clone / "data/synthesis/dataset", clone / "made"
    rows, same = (read_columns(folder / "records").drop("fingerprint") for folder in (of_stage, of_command))
    assert len(rows) == 5 and rows.equals(same)
    assert (of_stage / "request.parquet").read_bytes() == (clone / "mine.parquet").read_bytes()
    about = [json.loads((folder / "dataset.json").read_text())["request"] for folder in (of_stage, of_command)]
    assert about[0] == about[1]
    pl.DataFrame(asked).head(1).write_parquet(clone / "mine.parquet")
    told = run("-m", "flows.synthesis", "dataset")
    assert told.returncode == 1 and "mine.parquet, the request of synthesis.dataset, is not as it was" in told.stderr
    assert "Traceback" not in told.stderr
