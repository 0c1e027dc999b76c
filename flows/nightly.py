"""A refresh as a Prefect flow: the corpus, all that follows from it, the gates, approval, publication."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from dvc.api import read
from prefect import flow, tags, task
from prefect.client.schemas.objects import State
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Completed, Failed
from pydantic import Field

from flows.pipeline import reconcile
from flows.reach import server_in_reach
from flows.stage import folder_tag
from flows.told import Told
from sediff.endpoint import shown
from sediff.files import read_out
from sediff.params import Params
from sediff.progress import log_line
from sediff.publication.continuing import prepare_start
from sediff.publication.drift import beyond, drift
from sediff.publication.gate import moved_too_far
from sediff.publication.health import SUCCESSES, NotPublishedError
from sediff.publication.params import PublicationParams
from sediff.publication.publish import needs_publishing, publish
from sediff.publication.sediff import sediff
from sediff.publication.signature import FILE, public_key, signing_key
from sediff.publication.versions import Version, reference

CORPUS_METRICS = "reports/corpus/metrics.json"
Given = TypeVar("Given")


class Approval(RunInput):
    """What Prefect asks a person before a version is published."""

    approved: bool
    by: Annotated[str, Field(pattern=r"\S")]  # nobody may not approve; the server checks it as the answer is given


@server_in_reach()
def run_nightly(folder: Path, params: Params) -> Version:
    """Run, check and publish as tasks of a flow run; gives the version.

    Raises:
        UserError: a step failed, or the version may not be published.
    """
    tag = f"{folder_tag()}:refresh"  # its own, or a `sediff run` would take it for one of its runs that was killed
    reconcile(tag)
    told, own = Told.to_server(params), params.publication
    failures: list[Exception] = []
    made: list[Version] = []

    def step(name: str, action: Callable[[], Given]) -> Given:
        """One task. Its failure is a state: Prefect would log a traceback, with what a restricted source has."""
        given: list[Given] = []

        @task(name=name)
        def act() -> State:
            try:
                given.append(action())
            except Exception as error:
                failures.append(error)
                return Failed(message=told.failure(name, error))
            return Completed()

        if not act(return_state=True).is_completed():
            raise failures[-1]
        return given[0]

    @flow(name="refresh", log_prints=not told.restricted)
    def nightly() -> State:
        try:
            moved = step("corpus", lambda: _run_corpus(folder, own))
            ancestor = step("start", lambda: prepare_start(folder, own, log_line))
            step("pipeline", lambda: sediff(folder, "run"))
            verdict = step("gates", lambda: _check_gates(folder, params))
            if not needs_publishing(folder, own.name):
                raise NotPublishedError("nothing new", "what ran gave what is published already")
            approved_by = _approval(own)
            manifest = {"approved_by": approved_by, "drift": moved, "gates": verdict}
            manifest["continues"] = list(ancestor.chain) if ancestor else []
            made.append(step("publication", lambda: _publish(folder, own.name, manifest)))
        except Exception as error:
            if error not in failures:
                failures.append(error)
            if isinstance(error, NotPublishedError) and error.outcome in SUCCESSES:
                return Completed(message=error.outcome)
            return Failed(message=told.failure("refresh", error))
        return Completed(message=f"{made[0]} is served")

    with tags(tag):
        nightly(return_state=True)
    if failures:
        raise failures[0]
    return made[0]


def _run_corpus(folder: Path, params: PublicationParams) -> dict[str, float]:
    """The corpus first: what has drifted is not trained on. Gives how far it moved from the one that is served."""
    served = reference(folder, params.name)
    sediff(folder, "run", "corpus")
    if served is None:
        return {}
    before = json.loads(read(CORPUS_METRICS, repo=str(folder), rev=served.commit))
    moved = drift(before, read_out(folder / CORPUS_METRICS))
    if too_far := beyond(moved, params.drift):
        raise NotPublishedError("drifted", f"The corpus is not that of {served}: {'; '.join(too_far)}.")
    return moved


def _check_gates(folder: Path, params: Params) -> dict[str, Any]:
    """The report's verdict, and that of the gates which ask for the version that is served."""
    verdict = read_out(folder / "reports/report/metrics.json")
    if not verdict["passed"]:
        raise NotPublishedError("gates failed", f"The gates failed: {', '.join(verdict['failed'])}; see its report.")
    served = reference(folder, params.publication.name)
    if moved := moved_too_far(folder, params.gates, served):
        told = "; ".join(f"{one.metric} {' and '.join(one.missed)}" for one in moved)
        raise NotPublishedError("gates failed", f"It is worse than {served}: {told}.")
    return verdict


def _approval(params: PublicationParams) -> str:
    """Who approved; "" where nobody is asked."""
    if not params.approval:
        return ""
    address = shown(os.environ["PREFECT_API_URL"]).removesuffix("/api")
    log_line(f"waiting for an approval: resume the flow run at {address}")
    try:
        answer = pause_flow_run(wait_for_input=Approval, timeout=int(params.approval_limit * 3600))
    except FlowPauseTimeout:
        limit = f"publication.approval_limit = {params.approval_limit:g} h"
        raise NotPublishedError("not approved", f"Nobody approved of publishing within {limit}.") from None
    if not answer.approved:
        raise NotPublishedError("not approved", f"{answer.by} did not approve of publishing.")
    return answer.by


def _publish(folder: Path, name: str, manifest: dict[str, Any]) -> Version:
    key, new = signing_key(Path())
    if new:
        log_line(f"a signing key was made, {FILE}: keep it, and let publication.signers name {public_key(key)}")
    approved = f", approved by {manifest['approved_by']}" if manifest["approved_by"] else ""
    return publish(folder, name, f"Refresh of {name}: all gates passed{approved}", manifest, key, log_line)
