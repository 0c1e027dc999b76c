"""The walk of a real DVC graph through a real Prefect server, on three tiny stages."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sediff.errors import UserError
from sediff.params import set_params
from sediff.pipeline.graph import order, staleness
from sediff.pipeline.server import prefect_server

ROOT = Path(__file__).parents[2]
STAGE = """
import os, signal
from pathlib import Path
from flows.stage import Context, run
from sediff.errors import UserError

def {name}(context: Context) -> str:
    mode = Path("mode-{name}")
    wanted = mode.read_text() if mode.exists() else ""
    mode.unlink(missing_ok=True)
    if wanted == "mistake":
        raise UserError("{name} has no input: give it one.")
    if wanted == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    (context.out / "out.txt").write_text(context.fingerprint)
    return "made {name}"

run({name})
"""
BEFORE = {"first": None, "second": "first", "third": "second"}
SECTIONS = {"first": "simulator", "second": "evaluation", "third": "augmentation"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_server(tmp_path_factory.mktemp("prefect"), 120) as api:
        yield api


@pytest.fixture
def project(tmp_path, monkeypatch, server) -> Path:
    stages = {}
    for name, before in BEFORE.items():
        (tmp_path / f"{name}.py").write_text(STAGE.format(name=name))
        deps = [f"{name}.py", *([f"data/{before}"] if before else [])]
        command = f"{sys.executable} {name}.py"
        stages[name] = {"cmd": command, "deps": deps, "params": [SECTIONS[name]], "outs": [f"data/{name}"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def walk(project: Path) -> dict[str, bool]:
    """Bring the project up to date and say which stages ran."""
    from flows.pipeline import walk

    return {result.stage: result.ran for result in walk(project, order(project), 60)}


def all_ran(value: bool) -> dict[str, bool]:
    return dict.fromkeys(BEFORE, value)


def test_only_what_is_stale_runs(project):
    assert [entry.stage for entry in staleness(project) if entry.reasons] == list(BEFORE)
    assert walk(project) == all_ran(True)
    assert walk(project) == all_ran(False)
    set_params(project / "params.yaml", ["evaluation.neighbours=7"])
    assert {entry.stage: entry.reasons for entry in staleness(project)} == {
        "first": (),
        "second": ("parameter evaluation.neighbours",),
        "third": ("follows second",),
    }
    assert walk(project) == {"first": False, "second": True, "third": True}
    set_params(project / "params.yaml", ["runtime.workers=1", "gates.evaluation.privacy.near_copies.max=3"])
    assert walk(project) == all_ran(False)
    set_params(project / "params.yaml", ["evaluation.neighbours=5"])
    assert walk(project) == all_ran(False), "what DVC restores from its cache did not run"


def test_a_crashed_stage_is_run_once_more(project, capfd):
    (project / "mode-second").write_text("crash")
    assert walk(project) == all_ran(True)
    assert "trying once more" in capfd.readouterr().err


def test_a_mistake_is_a_sentence_and_ends_the_walk(project, capfd):
    (project / "mode-second").write_text("mistake")
    with pytest.raises(UserError, match=r"^second has no input: give it one\.$"):
        walk(project)
    assert "Traceback" not in capfd.readouterr().err
    assert not (project / "data/third").exists()
    assert walk(project) == {"first": False, "second": True, "third": True}, "the next run goes on from there"


def test_stages_are_flow_runs_and_lost_ones_are_reconciled(project):
    from prefect import get_client
    from prefect.states import Running

    from flows.pipeline import PIPELINE, reconcile

    walk(project)
    with get_client(sync_client=True) as client:
        names = {run.name for run in client.read_flow_runs()}
        assert set(BEFORE) <= names
        last = next(run for run in client.read_flow_runs() if run.name == "first")
        client.set_flow_run_state(last.id, Running(), force=True)
        assert reconcile() == 1
        assert client.read_flow_run(last.id).state.is_crashed()
        flows = {flow.name for flow in client.read_flows()}
    assert PIPELINE in flows


def test_a_stage_records_what_happened_outside_its_out(project):
    from flows.stage import read_records

    walk(project)
    (record,) = read_records("first")
    assert record["flow_run"]
    assert record["summary"] == "made first"
    manifest = (project / "data/first/manifest.json").read_text()
    assert record["fingerprint"] in manifest
    assert record["flow_run"] not in manifest
    assert record["started"] not in manifest


def test_without_a_server_dvc_alone_gives_the_same_bytes(project, monkeypatch):
    walk(project)
    outs = {name: (project / f"data/{name}/out.txt").read_text() for name in BEFORE}
    shutil.rmtree(project / "data")
    (project / "dvc.lock").unlink()
    shutil.rmtree(project / ".dvc/cache")
    monkeypatch.delenv("PREFECT_API_URL")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=project, check=True)
    assert {name: (project / f"data/{name}/out.txt").read_text() for name in BEFORE} == outs


def test_a_stage_that_runs_is_not_joined_by_a_second(project):
    from flows.stage import only_one

    with only_one("first"):
        result = subprocess.run([sys.executable, "first.py"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "first is already running as process" in result.stderr
    assert "Traceback" not in result.stderr
