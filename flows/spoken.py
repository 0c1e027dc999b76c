"""What a stage says while it works, in its Prefect flow run: its lines as the run's log, its progress as an artifact.

A thread of its own sends it every few seconds, so that neither a slow server nor one that is gone holds a stage up.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sediff.progress import heard_by

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

EVERY = 5.0  # s between two messages to the server
LAST_WORDS = 5.0  # s that a stage waits at its end for a server to take what is left
LOGGER = "sediff"


class Spoken:
    """Hears a stage, and tells a server once its flow run has begun; without one nobody is told."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._lines: list[tuple[datetime, str]] = []
        self._progress = self._told = (0.0, stage)
        self._artifact: UUID | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def line(self, message: str) -> None:
        """Keep a line for the log."""
        self._lines.append((datetime.now(UTC), message))

    def share(self, label: str, done: int, total: int) -> None:
        """Keep how much of a step of the stage is done."""
        self._progress = (100 * done / total, f"{label}: {done} of {total}")

    def begin(self, flow_run: UUID) -> None:
        """Tell the configured server from now on."""
        self._thread = threading.Thread(target=self._tell, args=(flow_run,), name="spoken", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell what is left, if the server takes it soon."""
        self._over.set()
        if self._thread:
            self._thread.join(LAST_WORDS)

    def _tell(self, flow_run: UUID) -> None:
        from httpx import HTTPError
        from prefect import get_client
        from prefect.exceptions import PrefectException

        with get_client(sync_client=True) as client:
            over = False
            while not over:
                over = self._over.wait(EVERY)
                try:
                    self._send_lines(client, flow_run)
                    self._send_progress(client, flow_run)
                except (HTTPError, PrefectException):  # the stage's own calls say that a server is gone
                    continue

    def _send_lines(self, client: "SyncPrefectClient", flow_run: UUID) -> None:
        from prefect.client.schemas.actions import LogCreate
        from prefect.settings import get_current_settings

        lines = list(self._lines)
        if lines and get_current_settings().logging.to_api.enabled:
            client.create_logs(
                LogCreate(name=LOGGER, level=logging.INFO, message=message, timestamp=when, flow_run_id=flow_run)
                for when, message in lines
            )
        del self._lines[: len(lines)]

    def _send_progress(self, client: "SyncPrefectClient", flow_run: UUID) -> None:
        """As `prefect.artifacts` does it, which opens a client for each update, and knows the run by its thread."""
        from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

        progress = self._progress
        share, description = progress
        if self._artifact is None:
            key = f"{self.stage.replace('@', '-')}-progress"
            made = ArtifactCreate(key=key, type="progress", data=share, description=description, flow_run_id=flow_run)
            self._artifact = client.create_artifact(made).id
        elif progress != self._told:
            client.update_artifact(self._artifact, ArtifactUpdate(data=share, description=description))
        self._told = progress


@contextmanager
def spoken(stage: str) -> Iterator[Spoken]:
    """Hear a stage for the length of the block; all of its progress is made where the block ends well."""
    heard = Spoken(stage)
    try:
        with heard_by(heard):
            yield heard
        heard.share(stage, 1, 1)
    finally:
        heard.end()
