"""The refresh: run what changed in a folder of its own, check the gates, publish only if they pass, tell.

`sediff refresh` calls it once, `sediff serve` every night.
"""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, chdir, contextmanager
from pathlib import Path
from typing import Any

from sediff.errors import UserError
from sediff.params import PARAMS, Params
from sediff.pipeline.disk import full_disk_in_a_sentence
from sediff.pipeline.graph import staleness
from sediff.pipeline.server import prefect_server
from sediff.progress import log_line
from sediff.publication.continuing import forget_revoked
from sediff.publication.health import JOURNAL, NotPublishedError, entry_of, note
from sediff.publication.publish import needs_publishing, push_pointers
from sediff.publication.sediff import sediff
from sediff.publication.versions import current
from sediff.publication.webhook import message, tell
from sediff.publication.withdraw import refuse_pinned
from sediff.publication.workspace import FOLDER, prepare_workspace

OWN = Path(".sediff")


def refresh(root: Path = Path()) -> dict[str, Any]:
    """Refresh once; gives the journal's entry.

    Raises:
        UserError: another refresh is going on.
    """
    with only_refresh(root):
        params = _own_params(root)  # those of the worktree count, once there is one
        try:
            with full_disk_in_a_sentence("refresh"):
                folder = prepare_workspace(root)
                params = Params.load(folder / PARAMS)
                outcome, told, version = _refresh(root, folder, params)
        except NotPublishedError as end:
            outcome, told, version = end.outcome, str(end), ""
        except UserError as error:
            outcome, told, version = "failed", str(error), ""
        except Exception as error:
            _end(root, params, "failed", f"it ended by a fault of its own, {type(error).__name__}", "")
            raise
        return _end(root, params, outcome, told, version)


def _own_params(root: Path) -> Params | None:
    """The checkout's, so that a night that fails before it has a worktree is told too; None while they are no good."""
    try:
        return Params.load(root / PARAMS)
    except UserError:
        return None


def _refresh(root: Path, folder: Path, params: Params) -> tuple[str, str, str]:
    """Outcome, what is told of it, and the version that is served."""
    name = params.publication.name
    refuse_pinned(folder)
    forget_revoked(folder)
    sediff(folder, "scan")
    if _is_published(folder, name):
        push_pointers(folder, name, log_line)  # a push that failed is made good
        return "nothing new", "nothing has changed; nothing ran", str(current(folder, name))
    days = params.publication.retention.nightly
    with prefect_server(root / OWN / "prefect", params.runtime.server_start_limit, days):
        from flows.nightly import run_nightly  # Prefect reads its address as it is imported

        version = run_nightly(folder, params)
    return "published", f"{version} is served; all gates passed", str(version)


def _is_published(folder: Path, name: str) -> bool:
    """Whether nothing in the worktree is stale, and its results are those that are served."""
    with chdir(folder):
        stale = any(entry.reasons for entry in staleness(Path()))
    return not stale and not needs_publishing(folder, name)


def _end(root: Path, params: Params | None, outcome: str, told: str, version: str) -> dict[str, Any]:
    """Write the journal and tell the webhook; a disk that takes no more is no reason to be silent."""
    entry = entry_of(outcome, told, version)
    log_line(f"refresh: {outcome}: {told}")
    try:
        note(root, entry)
    except OSError as error:
        log_line(f"{JOURNAL} does not have this refresh ({error.strerror}), nor has `sediff health`: mend that")
    if params and (address := params.publication.webhook_address):
        body = message(params.publication.name, entry, root / FOLDER, bool(params.restricted))
        if refusal := tell(address, body):
            log_line(f"publication.webhook did not take the verdict: {refusal}")
    return entry


def only_refresh(root: Path) -> AbstractContextManager[None]:
    """Two refreshes never run over each other.

    Raises:
        UserError: another one holds the lock.
    """
    return _locked(root, "refresh", "Another refresh is going on here: wait for it or end it.")


def only_serve(root: Path) -> AbstractContextManager[None]:
    """One schedule at a time, and none while a purge removes the history that its Prefect server writes.

    Raises:
        UserError: `sediff serve` holds the lock.
    """
    return _locked(root, "serve", "`sediff serve` is going on here: end it first.")


@contextmanager
def _locked(root: Path, name: str, refusal: str) -> Iterator[None]:
    (root / OWN).mkdir(exist_ok=True)
    with (root / OWN / f"{name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(refusal) from None
        yield
