"""The flow that walks the graph: `sediff run`.

DVC owns what need not run again, Prefect what happens when: each stage is a task here, and a flow run of its own in
the process that DVC starts for it.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import flow, get_client, tags, task
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed, Crashed, Failed

from flows.reach import server_in_reach
from flows.stage import failure_file, folder_tag, read_records, work_of
from flows.told import Told
from sediff.errors import UserError
from sediff.lineage.openlineage import StageEvents
from sediff.params import PARAMS, Params
from sediff.pipeline.disk import require_space
from sediff.pipeline.execute import execute
from sediff.pipeline.graph import is_stale
from sediff.progress import log_line
from sediff.publication.intact import reject_restored

CACHED = "Cached"
PIPELINE = "sediff"


@dataclass(frozen=True)
class StageResult:
    """How one stage went: `ran` is false where DVC skipped or restored it."""

    stage: str
    ran: bool
    seconds: float


@server_in_reach()
def walk(root: Path, stages: Sequence[str], time_limit: float, forced: Sequence[str] = ()) -> list[StageResult]:
    """Run the stages in order through a configured Prefect server; the first failure ends the walk.

    Args:
        forced: stages that run although they are up to date.

    Raises:
        UserError: what the failing stage said.
    """
    reconcile(folder_tag())
    params = Params.load(root / PARAMS)
    told, events = Told.to_server(params), StageEvents(root, params.runtime.openlineage_url)
    results: list[StageResult] = []
    failures: list[Exception] = []

    @task(task_run_name="{stage}")
    def run_stage(stage: str) -> State:
        started = time.monotonic()
        past = read_records(stage)
        run_id = events.begin(stage)
        try:
            if stage in forced or is_stale(root, stage):
                require_space(root, stage, past[-1]["bytes"] if past else 0, params.runtime.disk_reserve)
                execute(root, stage, root / failure_file(stage), time_limit, stage in forced)
                if read_records(stage) == past and (rejected := reject_restored(root, stage)):
                    log_line(f"{stage}: damaged in DVC's cache, so fetched or made again: {', '.join(rejected)}")
                    execute(root, stage, root / failure_file(stage), time_limit)
        except Exception as error:
            events.end(stage, run_id, done=False)
            if not (isinstance(error, UserError) or told.restricted):
                raise
            # A state, not an exception: Prefect would log a traceback, for what is the user's to mend, or with ids.
            failures.append(error)
            return Failed(message=told.failure(stage, error))
        new = [record for record in read_records(stage) if record not in past]  # by their times the last, or not
        ran = bool(new)
        events.end(stage, run_id, done=True, cached=not ran)
        for record in new:
            # Not before DVC has the outs: a kill in between must not cost the training.
            shutil.rmtree(root / work_of(stage, record["fingerprint"]), ignore_errors=True)
        results.append(StageResult(stage, ran, time.monotonic() - started))
        return Completed() if ran else Completed(name=CACHED, message="up to date, or restored from DVC's cache")

    @flow(name=PIPELINE, flow_run_name=f"{PIPELINE} {stages[-1]}", log_prints=True)
    def pipeline() -> State:
        for stage in stages:
            state = run_stage(stage, return_state=True)
            if not state.is_completed():
                return Failed(message=f"{stage}: {state.message}")
        return Completed()

    try:
        with tags(folder_tag()):
            state = pipeline(return_state=True)
    finally:
        APILogHandler().flush()  # the server may end with us
    if failures:
        raise failures[0]
    if not state.is_completed():
        raise UserError(f"The run ended as {state.name} ({state.message}): run again; it goes on where it stopped.")
    return results


def reconcile(tag: str) -> int:
    """Mark runs with a tag that a killed process left unfinished as crashed; nobody else's are touched."""
    unfinished = [StateType.RUNNING, StateType.PENDING, StateType.PAUSED, StateType.CANCELLING]
    mine = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished)),
        tags=FlowRunFilterTags(all_=[tag]),
    )
    count = 0
    with get_client(sync_client=True) as client:
        while lost := client.read_flow_runs(flow_run_filter=mine):
            for flow_run in lost:
                client.set_flow_run_state(flow_run.id, Crashed(message="its process is gone"), force=True)
            count += len(lost)
    return count
