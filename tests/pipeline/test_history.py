"""What `sediff gc` lets go of Prefect's history and of logs: what is older than nights are kept, and no more."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from sediff.pipeline.server import _vacuum
from sediff.publication.retention import LONGEST_LOG
from tests.pipeline.clone import MAIN
from tests.pipeline.nightly import change, make, said

RUNS = """
import time
from datetime import UTC, datetime
from pathlib import Path
from sediff.pipeline.server import prefect_server

with prefect_server(Path(".sediff/prefect"), 120):
    from prefect import flow, get_client
    from prefect.client.schemas.actions import ArtifactCreate, LogCreate
    from prefect.states import Completed, Running

    with get_client(sync_client=True) as client:
        for name in ("old", "recent"):
            run = client.create_flow_run(flow(name="nightly")(lambda: None), name=name)
            client.set_flow_run_state(run.id, Running(), force=True)
            client.set_flow_run_state(run.id, Completed(), force=True)
            client.create_artifact(ArtifactCreate(key="corpus", type="markdown", data="made", flow_run_id=run.id))
            now = datetime.now(UTC)
            client.create_logs([LogCreate(name="x", level=20, message=name, timestamp=now, flow_run_id=run.id)])
        while len(client.read_logs()) < 2:
            time.sleep(0.1)
"""


def history(project: Path) -> dict[str, list[str]]:
    """Runs, the runs of artifacts, and logs, in the server's database."""
    with sqlite3.connect(project / ".sediff/prefect/prefect.db") as rows:
        of = "SELECT flow_run.name FROM {} JOIN flow_run ON flow_run.id = flow_run_id"
        return {
            "runs": [name for (name,) in rows.execute("SELECT name FROM flow_run ORDER BY name")],
            "artifacts": [name for (name,) in rows.execute(f"{of.format('artifact')} ORDER BY 1")],
            "all artifacts": [str(count) for (count,) in rows.execute("SELECT count(*) FROM artifact")],
            "logs": [text for (text,) in rows.execute("SELECT message FROM log ORDER BY message")],
        }


@pytest.mark.slow  # three starts of a server
def test_old_runs_go_with_their_logs_and_artifacts_and_recent_ones_stay(tmp_path):
    project = make(tmp_path)
    change(project, "publication.retention={nightly: 3, monthly: 0, tagged: all}")
    assert "Prefect's history: none here" in said(project, sys.executable, "-c", MAIN, "gc")
    said(project, sys.executable, "-c", RUNS)
    with sqlite3.connect(project / ".sediff/prefect/prefect.db") as rows:  # a server takes no time but its own
        backdated = "UPDATE flow_run SET end_time = strftime('%Y-%m-%d %H:%M:%f000', end_time, ?) WHERE name = ?"
        rows.executemany(backdated, [("-4 days", "old"), ("-2 days", "recent")])
    both = ["old", "recent"]
    before = {"runs": both, "artifacts": both, "all artifacts": ["2"], "logs": both}
    assert history(project) == before
    assert "1 flow runs older than 3 days" in said(project, sys.executable, "-c", MAIN, "gc")
    assert history(project) == before, "nothing is removed without --yes"
    assert "1 flow runs older than 3 days" in said(project, sys.executable, "-c", MAIN, "gc", "--yes")
    kept = ["recent"]
    assert history(project) == {"runs": kept, "artifacts": kept, "all artifacts": ["1"], "logs": kept}


def test_the_server_itself_keeps_as_many_days_as_there_are_nights():
    assert _vacuum(3)["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == "259200"
    assert "flow_runs" not in _vacuum(None)["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"]


def test_of_long_logs_the_last_lines_stay(tmp_path):
    project = make(tmp_path)
    line = json.dumps({"eventType": "START", "job": "x" * 1000}) + "\n"
    count = LONGEST_LOG // len(line) + 5
    own, worktree = project / ".sediff/failures.log", project / ".sediff/published/.sediff/failures.log"
    events = project / ".sediff/published/runs/openlineage.jsonl"
    short = project / "runs/openlineage.jsonl"
    for log in (own, worktree, events, short):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("the first\n" + line * (3 if log == short else count) + "the last\n")
    told = said(project, sys.executable, "-c", MAIN, "gc")
    assert all(f"{log.relative_to(project)}: all but the last 1 MB" in told for log in (own, worktree, events))
    assert own.read_text().startswith("the first")
    said(project, sys.executable, "-c", MAIN, "gc", "--yes")
    for log in (own, worktree, events):
        *lines, last = log.read_text().splitlines(keepends=True)
        assert set(lines) == {line} and last == "the last\n", "whole lines"
        assert LONGEST_LOG - len(line) <= log.stat().st_size <= LONGEST_LOG
    assert short.read_text() == "the first\n" + line * 3 + "the last\n"
