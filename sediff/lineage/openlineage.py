"""OpenLineage events of the stages of a run: to a file beside the run records, and to an endpoint where one is set.

An event names stages, outs and their hashes, and no record, so it may leave whatever the sources are.
"""

import logging
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import dataset_version_dataset, job_type_job, tags_run
from openlineage.client.transport import Transport
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport
from openlineage.client.uuid import generate_new_uuid

from sediff import __version__
from sediff.lineage.project import MANIFEST, Project
from sediff.progress import log_line

FILE = Path("runs/openlineage.jsonl")
NAMESPACE = "sediff"
KEY = "OPENLINEAGE_API_KEY"  # in the environment, as OpenLineage's own client has it
TIMEOUT = 5.0  # s, of an endpoint that does not answer; a run does not wait longer for it
logging.getLogger("openlineage").setLevel(logging.ERROR)


class StageEvents:
    """Tells when stages begin and end; where that cannot be told is named once, and ends no run."""

    def __init__(self, root: Path, url: str) -> None:
        """Events of the stages of a working tree, also for the endpoint at `url` where it is not empty."""
        self.root, self.url = root, url
        self._lost: set[str] = set()

    def begin(self, stage: str) -> str:
        """A stage begins; the id of its run, for `end`."""
        run_id = str(generate_new_uuid())
        self._emit(stage, run_id, RunState.START, {})
        return run_id

    def end(self, stage: str, run_id: str, done: bool, cached: bool = False) -> None:
        """A stage ended.

        Args:
            done: whether it went well.
            cached: whether it was up to date, or DVC restored it, so that nothing was computed.
        """
        tags = {"cached": str(cached).lower()}
        manifest = Project(self.root).folder(stage) / MANIFEST
        if done and manifest.is_file():
            tags["fingerprint"] = Project(self.root).manifest(stage)["fingerprint"]
        self._emit(stage, run_id, RunState.COMPLETE if done else RunState.FAIL, tags)

    def _emit(self, stage: str, run_id: str, state: RunState, tags: dict[str, str]) -> None:
        project = Project(self.root)
        entry, recorded = project.stages[stage], project.recorded.get(stage, {})
        versions = {item["path"]: item["md5"] for part in ("deps", "outs") for item in recorded.get(part, ())}
        known = versions if state is RunState.COMPLETE else {}
        fields = [tags_run.TagsRunFacetFields(key, value, "SEDIFF") for key, value in tags.items()]
        event = RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            producer=f"urn:sediff:{__version__}",
            eventType=state,
            run=Run(run_id, {"tags": tags_run.TagsRunFacet(fields)} if fields else {}),
            job=Job(NAMESPACE, stage, {"jobType": job_type_job.JobTypeJobFacet("BATCH", "SEDIFF", "STAGE")}),
            inputs=[InputDataset(NAMESPACE, path, facets=_version(known, path)) for path in _data(entry.deps)],
            outputs=[OutputDataset(NAMESPACE, path, facets=_version(known, path)) for path in entry.outs],
        )
        for place, client in self._clients.items():
            try:
                client.emit(event)
            except Exception as error:  # whatever a transport raises: events end no run
                if place not in self._lost:
                    self._lost.add(place)
                    log_line(f"{place} takes no OpenLineage events ({type(error).__name__}); the run goes on without.")

    @cached_property
    def _clients(self) -> dict[str, OpenLineageClient]:
        """By the place that they write to."""
        file = self.root / FILE
        file.parent.mkdir(exist_ok=True)
        transports: dict[str, Transport] = {str(FILE): FileTransport(FileConfig(str(file), append=True))}
        if self.url:
            http: dict[str, Any] = {"url": self.url, "timeout": TIMEOUT, "retry": {"total": 1}}
            if key := os.environ.get(KEY):
                http["auth"] = {"type": "api_key", "apiKey": key}
            transports[self.url] = HttpTransport(HttpConfig.from_dict(http))
        return {place: OpenLineageClient(transport=transport) for place, transport in transports.items()}


def _data(deps: Iterable[str]) -> list[str]:
    """The inputs of a stage that are data, not code."""
    return [path for path in deps if path.startswith(("data/", "reports/", "judges"))]


def _version(versions: dict[str, str], path: str) -> dict:
    """The facet that says which version of a dataset this is: DVC's hash."""
    if path not in versions:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(versions[path])}
