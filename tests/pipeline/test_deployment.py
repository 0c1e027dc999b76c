"""prefect.yaml as a team with a Prefect server uses it: deployed, scheduled there, and run by a worker."""

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from sediff.errors import UserError
from tests.pipeline.clone import MAIN, ROOT, command
from tests.pipeline.nightly import change, make

NAME = "nightly/nightly"


@pytest.fixture
def prefect(server, tmp_path):
    """Call Prefect's own command in a project, as its documentation has it."""
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path / "home")}

    def call(project: Path, *arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=project, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return call


def night(prefect, project: Path):
    """Let a worker do what is due, and give the deployment's last flow run."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    prefect(project, "deployment", "run", NAME)
    prefect(project, "worker", "start", "--pool", "sediff", "--run-once")
    own = DeploymentFilter(name=DeploymentFilterName(any_=["nightly"]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(deployment_filter=own, sort=FlowRunSort.START_TIME_DESC)
    return next(run for run in runs if run.start_time)


@pytest.mark.parametrize(("error", "traced"), [(UserError("mend it."), False), (ValueError("a fault"), True)])
def test_a_fault_of_a_refresh_leaves_its_traceback_and_a_users_mistake_none(error, traced, monkeypatch, capsys):
    from flows.deployed import nightly

    def refresh(root):
        raise error

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("flows.deployed.refresh", refresh)
    state = nightly.fn()
    assert (state.is_failed(), state.message) == (True, str(error))
    assert ("Traceback" in capsys.readouterr().err) == traced


@pytest.mark.slow  # a refresh and six commands of Prefect, each of which takes seconds to start
def test_a_worker_refreshes_by_the_schedule_of_prefect_yaml(prefect, tmp_path):
    from prefect import get_client

    project = make(tmp_path)
    (project / "flows").mkdir()
    for name in ("prefect.yaml", "flows/deployed.py"):
        shutil.copy(ROOT / name, project / name)
    change(project)
    prefect(project, "work-pool", "create", "sediff", "--type", "process")
    prefect(project, "deploy", "--all")
    with get_client(sync_client=True) as client:
        (deployment,) = client.read_deployments()
        (step,) = deployment.pull_steps
        assert step["prefect.deployments.steps.set_working_directory"] == {"directory": str(project)}
        assert [one.schedule.cron for one in deployment.schedules if one.active] == ["0 2 * * *"]

    with (project / "knowledge/exclusions.yaml").open("a") as stream:
        stream.write("# by hand\n")
    state = night(prefect, project).state
    assert (state.is_failed(), "exclusions.yaml is not committed" in state.message) == (True, True), state

    change(project)
    run = night(prefect, project)
    assert (run.state.is_completed(), run.state.message) == (True, "published: ecg@v0.0.1"), run.state
    assert "ecg@v0.0.1" in command(project, sys.executable, "-c", MAIN, "versions").stdout
    with get_client(sync_client=True) as client:
        planned = [run.expected_start_time for run in client.read_flow_runs() if run.state.is_scheduled()]
    assert {(time.hour, time.minute) for time in planned} == {(2, 0)}, "Prefect's own scheduler plans the nights"
    assert min(planned) > datetime.now(min(planned).tzinfo)
