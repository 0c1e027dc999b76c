"""A refresh as a Prefect flow: the corpus, all that follows from it, the gates, approval, publication."""

import json
from pathlib import Path
from typing import Any

from prefect import flow, tags, task
from prefect.client.schemas.objects import State
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Completed, Failed

from flows.pipeline import reconcile
from flows.stage import folder_tag
from sediff.errors import UserError
from sediff.files import read_out, write_json
from sediff.pipeline.graph import ask_dvc
from sediff.progress import log_line
from sediff.publication.drift import drift
from sediff.publication.health import NotPublishedError
from sediff.publication.params import PublicationParams
from sediff.publication.publish import publish
from sediff.publication.sediff import sediff
from sediff.publication.versions import current

CORPUS_METRICS = "reports/corpus/metrics.json"
MANIFEST = Path("runs/publication.json")


class Approval(RunInput):
    """What Prefect asks a person before a version is published."""

    approved: bool
    by: str


def run_nightly(folder: Path, params: PublicationParams) -> str:
    """Run, check and publish as tasks of a flow run; gives the version."""
    reconcile()
    failures: list[UserError] = []
    version = ""

    @flow(name="refresh", log_prints=True)
    def nightly() -> State:
        nonlocal version
        try:
            drifted = task(_run_corpus)(folder, params)
            task(sediff)(folder, "run")
            verdict = task(_check_gates)(folder)
            approved_by = _approval(params)
            version = str(task(_publish)(folder, params.name, drifted, verdict, approved_by))
        except UserError as error:
            failures.append(error)
            return Failed(message=str(error))
        return Completed(message=f"{version} is served")

    with tags(folder_tag()):
        state = nightly(return_state=True)
    if failures:
        raise failures[0]
    state.result()
    return version


def _run_corpus(folder: Path, params: PublicationParams) -> list[str]:
    """The corpus first: what has drifted is not trained on."""
    served = current(folder, params.name)
    sediff(folder, "run", "corpus")
    if served is None:
        return []
    before = ask_dvc(folder, lambda repo: _metrics_of(repo, served.commit))
    moved = drift(before, read_out(folder / CORPUS_METRICS), params.drift)
    if moved:
        raise NotPublishedError("drifted", f"The corpus is not that of {served}: {'; '.join(moved)}.")
    return moved


def _metrics_of(repo: Any, commit: str) -> dict[str, Any]:
    """The corpus's metrics in a version, from DVC's cache or remote."""
    from dvc.api import read

    return json.loads(read(CORPUS_METRICS, repo=repo.root_dir, rev=commit))


def _check_gates(folder: Path) -> dict[str, Any]:
    verdict = read_out(folder / "reports/report/metrics.json")
    if not verdict["passed"]:
        raise NotPublishedError("gates failed", f"The gates failed: {', '.join(verdict['failed'])}; see its report.")
    return verdict


def _approval(params: PublicationParams) -> str:
    """Who approved; "" where nobody is asked."""
    if not params.approval:
        return ""
    log_line("waiting for an approval: resume the flow run in Prefect")
    answer = pause_flow_run(wait_for_input=Approval, timeout=int(params.approval_limit * 3600))
    if not answer.approved:
        raise NotPublishedError("refused", f"{answer.by} did not approve of publishing.")
    return answer.by


def _publish(folder: Path, name: str, drifted: list[str], verdict: dict[str, Any], approved_by: str) -> str:
    write_json(folder / MANIFEST, {"approved_by": approved_by, "drift": drifted, "gates": verdict})
    approved = f", approved by {approved_by}" if approved_by else ""
    return str(publish(folder, name, f"Refresh of {name}: all gates passed{approved}", log_line))
