"""What a real Prefect server has of a stage's words and progress, while it works and afterwards."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sediff.params import set_params
from sediff.progress import log_line, track
from tests.pipeline.tiny import ROOT, make

SAYS = """
    from sediff.progress import log_line, track
    log_line("{word} is half done")
    for _ in track(range(4), 4, "{word}: steps"):
        pass
    (context.out"""

UNHEARD = """
import time
from uuid import uuid4
import prefect
from flows import spoken
from sediff.progress import log_line

spoken.EVERY, spoken.LAST_WORDS = 0.1, 1.0
started = time.monotonic()
with spoken.spoken("first") as heard:
    heard.begin(uuid4())
    time.sleep(0.5)
    log_line("still at work")
print(time.monotonic() - started)
"""


@pytest.fixture
def project(tmp_path, monkeypatch, server) -> Path:
    monkeypatch.chdir(make(tmp_path))
    return tmp_path


@pytest.fixture
def word(project) -> str:
    """A word that the first stage alone says."""
    word, path = f"clinic-{uuid4().hex[:8]}", project / "first.py"
    path.write_text(path.read_text().replace("    (context.out", SAYS.format(word=word).removeprefix("\n"), 1))
    return word


def run_first() -> tuple[UUID, str]:
    """Run the stage as DVC does; its flow run, and what it said."""
    from flows.stage import read_records

    done = subprocess.run([sys.executable, "first.py"], capture_output=True, text=True, check=True)
    return UUID(read_records("first")[-1]["flow_run"]), done.stderr


def logs(flow_run: UUID) -> list[str]:
    from prefect import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    with get_client(sync_client=True) as client:
        found = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run])))
    return [log.message for log in found]


def artifacts(flow_run: UUID) -> dict[str, tuple[str, object, str | None]]:
    """Type, data and description of each, by key."""
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run]))
        found = client.read_artifacts(artifact_filter=wanted)
    return {artifact.key: (artifact.type, artifact.data, artifact.description) for artifact in found}


def test_a_stages_lines_are_its_runs_log_and_its_progress_an_artifact(word):
    flow_run, said = run_first()
    assert logs(flow_run) == said.splitlines()
    assert logs(flow_run)[0] == f"{word} is half done"
    assert logs(flow_run)[-1].startswith("first: made first (")
    made = artifacts(flow_run)
    assert made["first-progress"] == ("progress", 100.0, "first: 1 of 1")
    kind, text, _ = made["first"]
    assert kind == "markdown" and "made first" in text


def test_a_server_elsewhere_hears_no_word_of_a_restricted_source(project, word, server, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", server.replace("127.0.0.1", "0.0.0.0"))
    set_params(project / "params.yaml", ["corpus.sources=[{name: clinic, reader: ptb-xl, sharing: restricted}]"])
    flow_run, said = run_first()
    assert f"{word} is half done" in said, "the terminal shows it"
    assert logs(flow_run) == []
    assert artifacts(flow_run).keys() == {"first"}
    assert word not in str(artifacts(flow_run))


def test_progress_is_updated_while_a_stage_works(server, monkeypatch):
    from prefect import flow, get_client

    from flows.spoken import spoken

    monkeypatch.setattr("flows.spoken.EVERY", 0.1)
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(flow(name="listened to")(lambda: None)).id

    def seen(progress: tuple[str, float, str]) -> bool:
        deadline = time.monotonic() + 60
        while artifacts(flow_run).get("encoder-judges-progress") != progress:
            assert time.monotonic() < deadline, artifacts(flow_run)
        return True

    with pytest.raises(KeyError), spoken("encoder@judges") as heard:
        heard.begin(flow_run)
        for done in track(range(1, 5), 4, "judges: steps"):
            if done == 2:
                assert seen(("progress", 25.0, "judges: steps: 1 of 4"))
                log_line("a quarter")
            if done == 4:
                assert seen(("progress", 75.0, "judges: steps: 3 of 4"))
                raise KeyError("broken")
    assert logs(flow_run) == ["a quarter"]
    assert artifacts(flow_run)["encoder-judges-progress"][1] == 75.0, "what failed is not done"
    log_line("nobody listens any more")
    assert len(logs(flow_run)) == 1


@pytest.mark.parametrize("answers", [False, True], ids=["gone", "silent"])
def test_a_server_that_is_gone_or_silent_costs_a_stage_nothing(answers):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answers:
            listener.listen()  # it takes a connection and never says anything
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment["PREFECT_API_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        done = subprocess.run(
            [sys.executable, "-c", UNHEARD], env=environment, capture_output=True, text=True, check=True
        )
    assert float(done.stdout) < 3
    assert done.stderr == "still at work\n"
