"""The refresh: run what changed in a folder of its own, check the gates, publish only if they pass, tell.

`sediff refresh` calls it once, `sediff serve` every night.
"""

import fcntl
import json
import urllib.request
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from sediff.errors import UserError
from sediff.params import PARAMS, Params
from sediff.pipeline.graph import staleness
from sediff.pipeline.server import prefect_server
from sediff.progress import log_line
from sediff.publication.health import SUCCESSES, NotPublishedError, note
from sediff.publication.params import PublicationParams
from sediff.publication.publish import needs_publishing
from sediff.publication.sediff import sediff
from sediff.publication.versions import current
from sediff.publication.workspace import prepare_workspace

OWN = Path(".sediff")
WEBHOOK_LIMIT = 30.0  # s


def refresh(root: Path = Path()) -> dict[str, Any]:
    """Refresh once; gives the journal's entry.

    Raises:
        UserError: another refresh is going on.
    """
    with _only_refresh(root):
        params = Params.load(root / PARAMS)
        try:
            folder = prepare_workspace(root)
            sediff(folder, "scan")
            if _is_published(folder, params.publication.name):
                served = current(folder, params.publication.name)
                return _end(root, params.publication, "nothing new", "nothing has changed; nothing ran", str(served))
            with prefect_server(root / OWN / "prefect", params.runtime.server_start_limit):
                from flows.nightly import run_nightly  # Prefect reads its address as it is imported

                version = run_nightly(folder, params.publication)
        except NotPublishedError as end:
            return _end(root, params.publication, end.outcome, str(end), "")
        except UserError as error:
            return _end(root, params.publication, "failed", str(error), "")
        return _end(root, params.publication, "published", f"{version} is served; all gates passed", version)


def _is_published(folder: Path, name: str) -> bool:
    """Whether nothing in the worktree is stale, and its results are those that are served."""
    with chdir(folder):
        stale = any(entry.reasons for entry in staleness(Path()))
    return not stale and not needs_publishing(folder, name)


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
