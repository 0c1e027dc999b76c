"""What a project's own Prefect server remembers: flow runs, their logs and artifacts, for as long as nights are kept.

The server lets old ones go by itself while it is up (`sediff/pipeline/server.py`); `sediff gc` does it when asked to.
"""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sediff.endpoint import shown
from sediff.errors import UserError
from sediff.pipeline.server import DATABASE, prefect_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LOGS_LIMIT = 60.0  # s: the server removes logs after it has answered


def let_go(home: Path, start_limit: float, days: int, remove: bool) -> str:
    """Say how many runs ended before so many days, and remove them if that is asked for.

    Args:
        home: Prefect's folder in the project.
        start_limit: s, for the server to come up.

    Raises:
        UserError: the server does not come up, or did not remove all.
    """
    if configured := os.environ.get("PREFECT_API_URL"):
        return f"Prefect's history is that of {shown(configured)}, whose own settings say what it keeps"
    if not (home / DATABASE).is_file():
        return "Prefect's history: none here"
    with prefect_server(home, start_limit, days=None):
        from prefect import get_client  # it reads its address as it is imported

        with get_client(sync_client=True) as client:
            runs = _ended_before(client, datetime.now(UTC) - timedelta(days=days))
            if remove:
                _forget(client, runs)
    return f"Prefect's history: {len(runs)} flow runs older than {days} days"


def _ended_before(client: "SyncPrefectClient", when: datetime) -> list[UUID]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime

    wanted, found = FlowRunFilter(end_time=FlowRunFilterEndTime(before_=when)), list[UUID]()
    while page := client.read_flow_runs(flow_run_filter=wanted, offset=len(found)):
        found += [run.id for run in page]
    return found


def _forget(client: "SyncPrefectClient", runs: Sequence[UUID]) -> None:
    """Remove runs, which takes their task runs and states along, their artifacts, and their logs."""
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        LogFilter,
        LogFilterFlowRunId,
    )

    for run in runs:
        own = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        while artifacts := client.read_artifacts(artifact_filter=own):
            for artifact in artifacts:
                client.delete_artifact(artifact.id)
        client.delete_flow_run(run)
    deadline = time.monotonic() + LOGS_LIMIT
    for run in runs:
        logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        while client.read_logs(logs, limit=1):
            if time.monotonic() > deadline:
                raise UserError("Prefect's server has not removed all logs of old runs: run `sediff gc --yes` again.")
            time.sleep(0.1)
