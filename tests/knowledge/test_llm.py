import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.knowledge.distill import Distilled
from sediff.knowledge.llm import LlmDistiller
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.report import Report

KEY = "sk-very-secret"
PARAMS = KnowledgeParams(distiller="llm", model="m")
REPORT = Report(
    rhythm="sinus rhythm", findings=(), heart_rate=None, pr=None, qrs_duration=None, qt=None, qtcf=None,
    morphology=(), confidence=0.5, cited=("N1",), text="What the offline distiller says.",
)  # fmt: skip
OFFLINE = Distilled(REPORT, "offline", None)
PROMPT: dict[str, Any] = {"condition": "Sinus rhythm.", "neighbours": [{"id": "N1"}, {"id": "N2"}]}
GOOD: dict[str, Any] = {
    "rhythm": "sinus rhythm",
    "findings": ["LVH"],
    "heart_rate": 72,
    "morphology": "tall R in V5",
    "confidence": 0.8,
    "cited": ["N1"],
    "text": "Sinus rhythm at 72 bpm\nwith tall R waves in V5.",
}


def message(content: str | None, refusal: str | None = None, finish: str = "stop") -> bytes:
    said = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish, "message": said}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    ).encode()


class Played(ThreadingHTTPServer):
    """An endpoint that gives the same reply each time and remembers what it was asked."""

    status, body, cut = 200, b"", 0
    asked: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Played

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.body) + self.server.cut))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def played(body: bytes, status: int = 200, cut: int = 0) -> Iterator[Played]:
    server = Played(("127.0.0.1", 0), Handler)
    server.status, server.body, server.cut, server.asked = status, body, cut, []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def distiller(server: Played, answers) -> LlmDistiller:
    return LlmDistiller(
        Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "m", timeout=5, retries=0), PARAMS, answers
    )


def test_a_good_answer_is_used_kept_and_not_asked_for_again(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with played(message(json.dumps(GOOD))) as server:
        asking = distiller(server, tmp_path)
        first = asking.distil([PROMPT, PROMPT], [OFFLINE, OFFLINE])
        again = asking.distil([PROMPT], [OFFLINE])
    told = REPORT.model_copy(update={"text": "Sinus rhythm at 72 bpm with tall R waves in V5."})
    assert first == [Distilled(told, "llm:m", None)] * 2
    assert again == first[:1]
    assert len(server.asked) == 1
    assert json.loads(server.asked[0]["messages"][1]["content"]) == PROMPT
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"{asking.key(PROMPT)}.json"
    assert KEY not in kept.read_text()
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (message(None, refusal="I will not"), "refusal"),
        (message(json.dumps({**GOOD, "cited": ["N1", "N9"]})), "invented citation"),
        (message(json.dumps({**GOOD, "cited": []})), "invented citation"),
        (message(json.dumps({**GOOD, "heart_rate": 900})), "schema"),
        (message("no JSON at all"), "schema"),
        (message(json.dumps(GOOD)[:40], finish="length"), "length"),
        (message(None, finish="content_filter"), "refusal"),
        (message(json.dumps({**GOOD, "text": "long " * 1000})), "length"),
    ],
)
def test_a_faulty_answer_falls_back_and_is_kept(body, reason, tmp_path):
    with played(body) as server:
        asking = distiller(server, tmp_path)
        expected = [OFFLINE._replace(fallback_reason=reason)]
        assert asking.distil([PROMPT], [OFFLINE]) == expected
        assert asking.distil([PROMPT], [OFFLINE]) == expected
        assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "cut"), [(500, 0), (429, 0), (401, 0), (200, 50)])
def test_a_fault_of_the_network_ends_the_stage_and_is_not_kept(status, cut, tmp_path):
    with played(message(json.dumps(GOOD)), status, cut) as server, pytest.raises(UserError, match="run again") as error:
        distiller(server, tmp_path).distil([PROMPT], [OFFLINE])
    assert KEY not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_answers_before_a_fault_are_kept(tmp_path):
    other = {**PROMPT, "condition": "Atrial fibrillation."}
    with played(message(json.dumps(GOOD))) as server:
        distiller(server, tmp_path).distil([PROMPT], [OFFLINE])
        server.status = 500
        with pytest.raises(UserError, match="status 500"):
            distiller(server, tmp_path).distil([PROMPT, other], [OFFLINE] * 2)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_key_of_an_answer_depends_on_all_that_shapes_it(tmp_path):
    endpoint = Endpoint("http://127.0.0.1:1/v1", "m")
    keys = {
        LlmDistiller(endpoint, PARAMS, tmp_path).key(PROMPT),
        LlmDistiller(endpoint, PARAMS, tmp_path).key({**PROMPT, "condition": ""}),
        LlmDistiller(Endpoint("http://127.0.0.1:1/v1", "n"), PARAMS, tmp_path).key(PROMPT),
        LlmDistiller(Endpoint("http://127.0.0.1:2/v1", "m"), PARAMS, tmp_path).key(PROMPT),
        LlmDistiller(endpoint, PARAMS.model_copy(update={"temperature": 1.0}), tmp_path).key(PROMPT),
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("url", "allowed", "may"),
    [
        ("http://127.0.0.1:8000/v1", (), True),
        ("http://localhost/v1", (), True),
        ("http://[::1]:8000/v1", (), True),
        ("https://api.openai.com/v1", (), False),
        ("https://localhost.example.org/v1", (), False),
        ("https://127.0.0.1@example.org/v1", (), False),
        ("https://llm.example.org/v1", ("llm.example.org",), True),
        ("https://llm.example.org:8443/v1", ("llm.example.org:8443",), True),
    ],
)
def test_who_may_see_restricted_records(url, allowed, may):
    assert Endpoint(url, "m", allowed).may_see_restricted() is may


def test_a_remote_endpoint_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        Endpoint("https://llm.example.org/v1", "m").client()
