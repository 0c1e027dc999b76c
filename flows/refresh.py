"""The refresh: run what changed in a folder of its own, check the gates, publish only if they pass, tell.

`sediff refresh` calls it once, `sediff serve` every night.
"""

import fcntl
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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
from sediff.params import PARAMS, Params
from sediff.pipeline.graph import ask_dvc, staleness
from sediff.pipeline.server import prefect_server
from sediff.processes import DIES_WITH_PARENT, die_with_parent
from sediff.progress import log_line
from sediff.publication.drift import drift
from sediff.publication.health import SUCCESSES, note
from sediff.publication.params import PublicationParams
from sediff.publication.publish import needs_publishing, publish
from sediff.publication.versions import current
from sediff.publication.workspace import prepare_workspace

OWN = Path(".sediff")
CORPUS_METRICS = "reports/corpus/metrics.json"
MANIFEST = Path("runs/publication.json")
WEBHOOK_LIMIT = 30.0  # s
SEDIFF = [sys.executable, "-c", "from sediff.cli import main; main()"]


class Approval(RunInput):
    """What Prefect asks a person before a version is published."""

    approved: bool
    by: str


class NotPublishedError(UserError):
    """A refresh that ended as it should, without a version: `outcome` says why in a word or two."""

    def __init__(self, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome


def refresh(root: Path = Path()) -> dict[str, Any]:
    """Refresh once; gives the journal's entry.

    Raises:
        UserError: another refresh is going on.
    """
    with _only_refresh(root):
        params = Params.load(root / PARAMS)
        try:
            folder = prepare_workspace(root)
            _sediff(folder, "scan")
            if not any(entry.reasons for entry in staleness(folder)) and not needs_publishing(
                folder, params.publication.name
            ):
                served = current(folder, params.publication.name)
                return _end(root, params.publication, "nothing new", "nothing has changed; nothing ran", str(served))
            with prefect_server(root / OWN / "prefect", params.runtime.server_start_limit):
                version = _through_prefect(folder, params.publication)
        except NotPublishedError as end:
            return _end(root, params.publication, end.outcome, str(end), "")
        except UserError as error:
            return _end(root, params.publication, "failed", str(error), "")
        return _end(root, params.publication, "published", f"{version} is served; all gates passed", version)


def _through_prefect(folder: Path, params: PublicationParams) -> str:
    """Run, check and publish as tasks of a flow run; gives the version."""
    reconcile()
    failures: list[UserError] = []
    version = ""

    @flow(name="refresh", log_prints=True)
    def nightly() -> State:
        nonlocal version
        try:
            drifted = task(_run_corpus)(folder, params)
            task(_sediff)(folder, "run")
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
    _sediff(folder, "run", "corpus")
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


def _sediff(folder: Path, *arguments: str) -> None:
    """Run a command of the worktree's own code.

    Raises:
        UserError: it failed; it has said why.
    """
    done = subprocess.run(
        [*SEDIFF, *arguments],
        cwd=folder,
        env={**os.environ, DIES_WITH_PARENT: "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
        check=False,
    )
    lines = done.stderr.splitlines()
    for line in lines:
        if "sediff: error:" not in line:
            log_line(line)
    if done.returncode:
        said = [line.partition("sediff: error: ")[2] for line in lines if "sediff: error:" in line]
        raise UserError(said[-1] if said else f"`sediff {' '.join(arguments)}` ended with status {done.returncode}.")


def _end(root: Path, params: PublicationParams, outcome: str, told: str, version: str) -> dict[str, Any]:
    """Write the journal and tell the webhook; nobody hears ids, since the sentence names stages and gates only."""
    entry = note(root, outcome, told, version)
    log_line(f"refresh: {outcome}: {told}")
    if params.webhook:
        _tell(params.webhook, {"name": params.name, "passed": outcome in SUCCESSES, **entry})
    return entry


def _tell(address: str, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=WEBHOOK_LIMIT).close()
    except (OSError, ValueError) as error:
        log_line(f"publication.webhook did not take the verdict ({error})")


@contextmanager
def _only_refresh(root: Path) -> Iterator[None]:
    """Two refreshes never run over each other.

    Raises:
        UserError: another one holds the lock.
    """
    (root / OWN).mkdir(exist_ok=True)
    with (root / OWN / "refresh.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("Another refresh is going on here: wait for it or end it.") from None
        yield
