"""Events of a walk, in the file and as a real server receives them."""

import copy
import json
import os
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from referencing import Registry

from sediff.errors import UserError
from sediff.lineage.graph import recorded_hashes
from sediff.lineage.openlineage import FILE, KEY
from sediff.params import set_params
from tests.pipeline.openlineage_schemas import of_checkout, of_client
from tests.pipeline.tiny import BEFORE, ROOT, make, walk
from tests.servers import running

EVENTS = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
# The folder `spec` of a checkout of github.com/OpenLineage/OpenLineage.
SPEC = Path(os.environ.get("OPENLINEAGE_SPEC", ROOT.parent / "shared/data/openlineage/spec"))
WRONG: list[tuple[tuple[str | int, ...], Any]] = [
    (("eventType",), "DONE"),
    (("eventTime",), 0),
    (("producer",), None),
    (("run", "runId"), "first"),
    (("run", "facets", "tags", "tags", 0, "value"), True),
    (("job", "name"), 1),
    (("job", "facets", "jobType", "processingType"), 1),
    (("outputs", 0, "facets", "version", "datasetVersion"), 2),
    (("outputs", 0, "namespace"), None),
]


@pytest.fixture
def project(tmp_path, monkeypatch, server) -> Path:
    monkeypatch.chdir(make(tmp_path))
    return tmp_path


class Receiver(ThreadingHTTPServer):
    """Keeps the events that are posted to where OpenLineage's clients post them."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.keys: set[str | None] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                found = self.path == "/api/v1/lineage"
                if found:
                    receiver.events.append(json.loads(body))
                    receiver.keys.add(self.headers["Authorization"])
                self.send_response(201 if found else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


def written(project: Path) -> list[dict]:
    return [json.loads(line) for line in (project / FILE).read_text().splitlines()]


def told(events: list[dict]) -> list[tuple[str, str]]:
    return [(event["job"]["name"], event["eventType"]) for event in events]


def tags(event: dict) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in event["run"]["facets"]["tags"]["tags"]}


def check(event: dict) -> None:
    """What the published schema of a RunEvent asks for (spec 2-0-2), where the schema itself is not at hand."""
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= event.keys()
    assert event["schemaURL"].endswith("OpenLineage.json#/$defs/RunEvent")
    assert datetime.fromisoformat(event["eventTime"]).tzinfo
    assert UUID(event["run"]["runId"])
    for part in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        assert all({"_producer", "_schemaURL"} <= facet.keys() for facet in part["facets"].values())
    assert all(part["namespace"] and part["name"] for part in (event["job"], *event["inputs"], *event["outputs"]))


@pytest.fixture(scope="module")
def published() -> Registry:
    """The schemas of events and of facets, by their addresses: a checkout's, or as the client's classes tell them."""
    return of_checkout(SPEC) if (SPEC / "OpenLineage.json").is_file() else of_client()


def validate(event: dict, published: Registry) -> None:
    """By the schemas that the event and its facets name; one that is not in the registry is not looked for."""
    parts = (event["run"], event["job"], *event["inputs"], *event["outputs"])
    facets = [facet for part in parts for facet in part["facets"].values()]
    for schema, instance in ((event["schemaURL"], event), *((facet["_schemaURL"], facet) for facet in facets)):
        Draft202012Validator({"$ref": schema}, registry=published, format_checker=FormatChecker()).validate(instance)


@pytest.mark.skipif(not SPEC.is_dir(), reason="OPENLINEAGE_SPEC names no checkout to compare the classes with")
def test_the_classes_of_the_client_tell_the_published_schemas():
    """Of what our events use, the classes have the properties that the published schemas have."""
    published, told = of_checkout(SPEC), of_client()
    for name in ("RunEvent", "Run", "Job", "InputDataset", "OutputDataset"):
        assert _properties(told, f"{EVENTS}#/$defs/{name}") == _properties(published, f"{EVENTS}#/$defs/{name}"), name


def _properties(schemas: Registry, address: str) -> tuple[set[str], set[str]]:
    """Names of the properties and of the required ones, with those of what a schema extends."""
    base, _, _ = address.partition("#")
    schema = schemas.resolver().lookup(address).contents
    parts = [(set(schema.get("properties", ())), set(schema.get("required", ())))]
    for part in schema.get("allOf", ()):
        own = (set(part.get("properties", ())), set(part.get("required", ())))
        parts.append(_properties(schemas, base + part["$ref"]) if "$ref" in part else own)
    return set().union(*(names for names, _ in parts)), set().union(*(required for _, required in parts))


def test_events_are_valid_by_the_published_schemas(project, published, monkeypatch):
    (project / "mode-third").write_text("mistake")
    monkeypatch.setenv(KEY, "pa55word")
    with running(Receiver()) as receiver:
        address = f"http://127.0.0.1:{receiver.server_address[1]}"
        set_params(project / "params.yaml", [f"runtime.openlineage_url={address}"])
        with pytest.raises(UserError, match="third has no input"):
            walk(project)
    assert {event["eventType"] for event in receiver.events} == {"START", "COMPLETE", "FAIL"}
    assert receiver.keys == {"Bearer pa55word"}
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if b"pa55word" in path.read_bytes()]
    for event in receiver.events:
        validate(event, published)
    done = receiver.events[1]
    for (*path, last), value in WRONG:
        wrong = copy.deepcopy(done)
        place: Any = wrong
        for name in path:
            place = place[name]
        assert place[last] != value
        place[last] = value
        with pytest.raises(ValidationError):
            validate(wrong, published)


def test_each_stage_is_told_cached_ones_too(project):
    with running(Receiver()) as receiver:
        address = f"http://127.0.0.1:{receiver.server_address[1]}"
        set_params(project / "params.yaml", [f"runtime.openlineage_url={address}"])
        walk(project)
        first = list(receiver.events)
        walk(project)
    assert receiver.events == written(project)
    assert told(first) == [(stage, state) for stage in BEFORE for state in ("START", "COMPLETE")]
    for event in receiver.events:
        check(event)
    begun, done = first[2:4]
    assert begun["run"]["runId"] == done["run"]["runId"]
    assert tags(done)["cached"] == "false"
    assert tags(done)["fingerprint"] == json.loads((project / "data/second/manifest.json").read_text())["fingerprint"]
    hashes = recorded_hashes(project)
    for part, path in (("inputs", "data/first"), ("outputs", "data/second")):
        (dataset,) = done[part]
        assert (dataset["name"], dataset["facets"]["version"]["datasetVersion"]) == (path, hashes[path])
    later = receiver.events[len(first) :]
    assert told(later) == told(first), "what DVC has in its cache is part of the lineage"
    assert {tags(event)["cached"] for event in later if event["eventType"] == "COMPLETE"} == {"true"}


def test_a_failure_is_told_without_its_words_and_a_lost_server_ends_no_run(project, capfd):
    set_params(project / "params.yaml", ["runtime.openlineage_url=http://127.0.0.1:9"])
    (project / "mode-second").write_text("mistake: record clinic/00042 is broken, mend it.")
    with pytest.raises(UserError, match="clinic/00042"):
        walk(project)
    assert capfd.readouterr().err.count("http://127.0.0.1:9 takes no OpenLineage events (ConnectionError)") == 1
    events = written(project)
    assert told(events) == [("first", "START"), ("first", "COMPLETE"), ("second", "START"), ("second", "FAIL")]
    assert "clinic" not in (project / FILE).read_text()
