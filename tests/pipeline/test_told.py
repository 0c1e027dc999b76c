"""What a Prefect server learns of a restricted corpus: a real server, asked afterwards for all that it has."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from sediff.errors import UserError
from sediff.params import set_params
from tests.pipeline.tiny import make, walk

HAS = """
import json
from prefect import get_client
with get_client(sync_client=True) as client:
    parts = [*client.read_flow_runs(), *client.read_task_runs(), *client.read_logs(), *client.read_artifacts()]
    print(json.dumps([part.model_dump_json() for part in parts]))
"""


@pytest.fixture
def project(tmp_path, monkeypatch, server) -> Path:
    monkeypatch.chdir(make(tmp_path))
    return tmp_path


@pytest.fixture
def record(project) -> str:
    """A record that nobody else names; the first stage names it when all goes well."""
    name = f"clinic/{uuid4().hex[:8]}"
    path = project / "first.py"
    path.write_text(path.read_text().replace('"made first"', f'"made {name}"'))
    return name


def has(server: str) -> str:
    environment = {**os.environ, "PREFECT_API_URL": server}
    result = subprocess.run([sys.executable, "-c", HAS], env=environment, capture_output=True, text=True, check=True)
    return "\n".join(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("sharing", "host", "told"),
    [("restricted", "0.0.0.0", False), ("restricted", "127.0.0.1", True), ("open", "0.0.0.0", True)],
)
def test_only_a_server_on_loopback_is_told_of_restricted_records(
    sharing, host, told, project, record, server, monkeypatch, capfd
):
    monkeypatch.setenv("PREFECT_API_URL", server.replace("127.0.0.1", host))
    source = f"{{name: clinic, reader: ptb-xl, sharing: {sharing}}}"
    set_params(project / "params.yaml", [f"corpus.sources=[{source}]"])
    log = project / ".sediff/failures.log"

    (project / "mode-first").write_text(f"mistake: {record} is bad")
    with pytest.raises(UserError, match=f"{record} is bad"):  # the user is told everywhere
        walk(project, "first")
    assert (record in has(server)) == told
    assert (log.exists() and record in log.read_text()) == (not told)

    (project / "mode-first").write_text(f"broken: {record}")
    crashed = subprocess.run([sys.executable, "first.py"], capture_output=True, text=True, check=False)
    assert crashed.returncode == 1
    assert "KeyError" in crashed.stderr and record in crashed.stderr

    assert walk(project, "first")["first"]
    assert (record in has(server)) == told, "nor in a summary"
    if not told:
        assert "first failed; source clinic is restricted" in has(server)
