"""A refresh that waits for a person: a real Prefect server is asked what waits, and told what was decided."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sediff.files import read_json
from tests.pipeline.clone import MAIN
from tests.pipeline.nightly import change, make, said

ADDRESS = re.compile(r"waiting for an approval: resume the flow run at (\S+)")
RESUME = """
import json, sys, time
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
waits = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
with get_client(sync_client=True) as client:
    while not (found := client.read_flow_runs(flow_run_filter=waits)):
        time.sleep(0.1)
    (run,) = found
    for answer in json.loads(sys.argv[1]):
        print(client.resume_flow_run(run.id, run_input=answer).status.value)
"""


@pytest.fixture
def project(first_version, tmp_path) -> Path:
    """One that publishes nothing unless somebody approves."""
    project = make(tmp_path, like=first_version.checkout)
    change(project, "publication.approval=true", "publication.approval_limit=0.1")
    return project


def asked(project: Path, *answers: dict[str, Any]) -> tuple[int, str, list[str]]:
    """Refresh, and answer one after the other when it waits; its status, what it said, what became of the answers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    refresh = [sys.executable, "-c", MAIN, "refresh"]
    told, took = "", []
    with subprocess.Popen(refresh, cwd=project, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                told += line
                if answers and (found := ADDRESS.search(line)):
                    server = {**environment, "PREFECT_API_URL": f"{found[1]}/api"}
                    arguments = [sys.executable, "-c", RESUME, json.dumps(answers)]
                    took = subprocess.check_output(arguments, env=server, text=True).split()
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in told, told
    return process.returncode, told, took


def tags(project: Path) -> str:
    """What is published, here and at git's remote."""
    return said(project, "git", "tag") + said(project, "git", "ls-remote", "--tags", "origin")


def test_the_manifest_says_who_approved(project):
    status, told, took = asked(project, {"approved": True, "by": " "}, {"approved": True, "by": "Dr Bo Lind"})
    assert took == ["REJECT", "ACCEPT"], "one without a name approves of nothing"
    assert (status, "ecg@v0.0.1 is served" in told) == (0, True), told
    assert read_json(project / ".sediff/published/runs/publication.json")["approved_by"] == "Dr Bo Lind"
    assert "approved by Dr Bo Lind" in said(project, "git", "log", "-1", "--format=%s", "published")


@pytest.mark.slow  # two refreshes
def test_without_an_approval_nothing_is_published(project):
    status, told, took = asked(project, {"approved": False, "by": "Dr Ada Meyer"})
    assert (status, took) == (1, ["ACCEPT"]), told
    assert "refresh: not approved: Dr Ada Meyer did not approve of publishing." in told
    assert tags(project) == ""

    change(project, "publication.approval_limit=0.002")
    status, told, _ = asked(project)
    assert (status, tags(project)) == (1, ""), told
    limit = "publication.approval_limit = 0.002 h"
    assert f"refresh: not approved: Nobody approved of publishing within {limit}." in told
    journal = (project / ".sediff/refreshes.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in journal] == ["not approved"] * 2
