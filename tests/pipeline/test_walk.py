"""The walk of a real DVC graph through a real Prefect server, on three tiny stages."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.params import set_params
from sediff.pipeline.accept import accept
from sediff.pipeline.graph import staleness
from sediff.pipeline.server import _free_port, prefect_server
from tests.objects import fill
from tests.pipeline.clone import command
from tests.pipeline.tiny import BEFORE, ROOT, make, walk


@pytest.fixture
def project(tmp_path, monkeypatch, server) -> Path:
    monkeypatch.chdir(make(tmp_path))
    return tmp_path


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
    (project / "mode-first").write_text("crash")
    assert walk(project, "first") == {"first": True}
    assert "trying once more" in capfd.readouterr().err


def test_a_mistake_is_a_sentence_and_ends_the_walk(project, capfd):
    (project / "mode-second").write_text("mistake")
    with pytest.raises(UserError, match=r"^second has no input: give it one\.$"):
        walk(project)
    assert "Traceback" not in capfd.readouterr().err
    assert not (project / "data/third").exists()
    assert walk(project, "first", "second") == {"first": False, "second": True}, "the next run goes on from there"


def test_a_walk_stops_before_a_stage_that_may_fill_the_disk(project):
    set_params(project / "params.yaml", ["runtime.disk_reserve=1e9"])
    with pytest.raises(UserError, match=r"first may need .*lower runtime\.disk_reserve"):
        walk(project)
    assert not (project / "data/first").exists()


def test_a_full_disk_of_dvcs_cache_is_a_sentence_at_once(project, disk, capfd):
    set_params(project / "params.yaml", ["runtime.disk_reserve=0"])
    (project / ".dvc/cache").symlink_to(disk)
    fill(disk)
    with pytest.raises(UserError, match=r"^first: the disk is full; free some space and run again"):
        walk(project)
    assert "trying once more" not in capfd.readouterr().err
    (disk / "filled").unlink()
    assert walk(project, "first") == {"first": True}


def test_stages_are_flow_runs_and_lost_ones_are_reconciled(project):
    from prefect import flow, get_client
    from prefect.states import Running

    from flows.pipeline import PIPELINE, reconcile
    from flows.stage import folder_tag

    walk(project, "first", "second")
    with get_client(sync_client=True) as client:
        names = {run.name for run in client.read_flow_runs()}
        assert {"first", "second"} <= names
        own = next(run for run in client.read_flow_runs() if run.name == "first" and folder_tag() in run.tags)
        foreign = client.create_flow_run(flow(name="foreign")(lambda: None), state=Running())
        client.set_flow_run_state(own.id, Running(), force=True)
        assert reconcile(folder_tag()) == 1
        assert client.read_flow_run(own.id).state.is_crashed()
        assert client.read_flow_run(foreign.id).state.is_running(), "another folder's runs are not ours to end"
        flows = {flow.name for flow in client.read_flows()}
    assert PIPELINE in flows


def test_a_stage_records_what_happened_outside_its_out(project):
    from flows.stage import read_records

    walk(project, "first")
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
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=project, check=True)
    assert {name: (project / f"data/{name}/out.txt").read_text() for name in BEFORE} == outs


def test_a_stage_that_runs_is_not_joined_by_a_second(project):
    from flows.stage import only_one

    with only_one("first"):
        result = subprocess.run([sys.executable, "first.py"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "first is already running as process" in result.stderr
    assert "Traceback" not in result.stderr


def wait_for(path: Path) -> str:
    while not path.exists() or not path.read_text():
        time.sleep(0.05)
    return path.read_text()


def alive(pid: int) -> bool:
    """Whether a process still works; one that nobody has waited for yet does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.05)


def test_a_lock_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    from flows.stage import only_one

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".sediff").mkdir()
    (tmp_path / ".sediff/work").write_text("not a folder")
    with (
        pytest.raises(UserError, match=r"first\.lock cannot be written .*: make the project's folder writable"),
        only_one("first"),
    ):
        pass


def test_another_dvc_command_is_told_and_waited_for(project, monkeypatch, capfd):
    monkeypatch.setattr("sediff.pipeline.execute.BUSY_WAIT", 0.5)
    (project / "mode-first").write_text("slow")
    with subprocess.Popen([sys.executable, "-m", "dvc", "repro", "-q", "first"], cwd=project) as other:
        wait_for(project / "pid-first")
        with pytest.raises(UserError, match="Another DVC command, or a stage, is working in this folder"):
            staleness(project)
        from sediff.pipeline.execute import execute

        execute(project, "first", project / "failed", 60)
        assert other.wait() == 0
    assert "another DVC command works here; waiting" in capfd.readouterr().err


STARTING = """
import os, time
from pathlib import Path
Path("pid-first").write_text(str(os.getpid()))
while not Path("go-first").exists():
    time.sleep(0.05)
"""


WITHOUT_EVENTS = "import os\ndel os.pidfd_open\n"  # as on macOS, and as good as in a sandbox that forbids it


def kill_run(project: Path, begun: bool, shell: str) -> int:
    """Kill a run whose first stage is at work, or has yet to ask to be ended with it; gives the stage's number."""
    if begun:
        (project / "mode-first").write_text("hang")
    else:
        (project / "first.py").write_text(STARTING + (project / "first.py").read_text())
    code = "from pathlib import Path; from flows.pipeline import walk; walk(Path(), ['first'], 60)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHELL": shell}
    with subprocess.Popen([sys.executable, "-c", code], cwd=project, env=environment) as run:
        stage = int(wait_for(project / "pid-first"))
        dvc = os.getsid(stage)
        run.send_signal(signal.SIGKILL)
        run.wait()
    wait_for_end(dvc)
    return stage


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])  # Debian's sh stays between DVC and the stage
@pytest.mark.parametrize("begun", [True, False], ids=["at work", "not yet at work"])
def test_no_stage_outlives_a_killed_run(project, begun, shell):
    """Nor one whose run is killed before it can ask to be ended with it, while Python starts."""
    stage = kill_run(project, begun, shell)
    (project / "go-first").touch()
    wait_for_end(stage)
    assert not list(project.glob("data/first/*")), "it wrote nothing after that"
    assert walk(project, "first") == {"first": True}, "the next run goes on without help"


def test_nor_where_no_event_tells_of_an_end(project):
    (project / "first.py").write_text(WITHOUT_EVENTS + (project / "first.py").read_text())
    wait_for_end(kill_run(project, True, "/bin/sh"))
    assert walk(project, "first") == {"first": True}


def test_a_stage_that_hangs_is_ended_at_its_limit(project):
    from flows.pipeline import walk as walk_graph

    (project / "mode-first").write_text("hang")
    with pytest.raises(UserError, match=r"longer than runtime\.stage_time_limit"):
        walk_graph(project, ["first"], 5)


def test_going_back_to_old_parameters_goes_on_where_they_stopped(project):
    set_params(project / "params.yaml", ["simulator.steps=11"])
    (project / "mode-first").write_text("halfway")
    with pytest.raises(UserError, match="first was interrupted"):
        walk(project, "first")
    set_params(project / "params.yaml", ["simulator.steps=12"])
    assert walk(project, "first", "second") == {"first": True, "second": True}
    assert not (project / "went-on-first").exists()
    assert not list(project.joinpath(".sediff", "work", "second").glob("*")), "what has ended needs no checkpoint"
    set_params(project / "params.yaml", ["simulator.steps=11"])
    walk(project, "first")
    assert (project / "went-on-first").exists(), "what was done for 11 was kept while 12 ran to its end"


def test_work_in_progress_is_kept_of_the_last_three_parameters(tmp_path):
    project = make(tmp_path)

    def run_first(steps: int, mode: str = "") -> int:
        set_params(project / "params.yaml", [f"simulator.steps={steps}"])
        (project / "mode-first").write_text(mode)
        return command(project, sys.executable, "first.py").returncode

    assert [run_first(steps, "halfway") for steps in range(20, 26)] == [1] * 6
    kept = list(project.joinpath(".sediff", "work", "first").iterdir())
    assert len(kept) == 3, "the last three, whatever was tried"
    for steps, goes_on in ((24, True), (20, False)):
        (project / "went-on-first").unlink(missing_ok=True)
        assert run_first(steps) == 0
        assert (project / "went-on-first").exists() == goes_on


def test_changed_code_can_be_accepted(project):
    walk(project, "first", "second")
    assert accept(project, "first") == "first: nothing has changed"
    (project / "knowledge/first.txt").write_text("a comment")
    assert accept(project, "first") == "first: its outs are accepted for the code as it is"
    assert walk(project, "first", "second") == {"first": False, "second": False}
    assert "knowledge/first.txt" in (project / "runs/accepted.json").read_text()


def test_accepting_refuses_changed_parameters_and_outs(project):
    walk(project, "first")
    set_params(project / "params.yaml", ["simulator.steps=7"])
    with pytest.raises(UserError, match=r"more than changed code \(params\.yaml\)"):
        accept(project, "first")
    set_params(project / "params.yaml", ["simulator.steps=40"])
    (project / "data/first/out.txt").write_text("HALF")
    with pytest.raises(UserError, match=r"more than changed code \(data/first\)"):
        accept(project, "first")


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("http://127.0.0.1:9/api", "http://127.0.0.1:9/api does not answer (Connection refused)"),
        ("nonsense", "nonsense does not answer (ValueError)"),
        ("http://me:pa55@127.0.0.1:9/api?key=pa55", "http://127.0.0.1:9/api does not answer"),
        ("http://me:pa55@127.0.0.1:pa55/api", "http://127.0.0.1:pa55/api does not"),
    ],
)
def test_a_configured_server_that_does_not_answer_is_named_without_its_secrets(address, named, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(UserError) as error, prefect_server(tmp_path, 5):
        pass
    assert str(error.value).startswith(f"PREFECT_API_URL={named}")
    assert "me:" not in str(error.value)


def test_a_server_whose_port_is_taken_meanwhile_gets_another(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [other.getsockname()[1], _free_port()]
        monkeypatch.setattr("sediff.pipeline.server._free_port", lambda: ports.pop(0))
        with prefect_server(tmp_path, 120) as api:
            assert not ports and str(other.getsockname()[1]) not in api
