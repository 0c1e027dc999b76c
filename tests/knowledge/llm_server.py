"""A real HTTP server that plays an OpenAI-compatible endpoint, with every fault that one may have."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, NamedTuple

from tests.servers import running

RANGE = {"low": 60, "expected": 72, "high": 80}
REPORT: dict[str, Any] = {
    "rhythm": "sinus rhythm",
    "findings": ["left ventricular hypertrophy"],
    "heart_rate": RANGE,
    "pr": {"low": 150, "expected": 160.5, "high": 180},
    "qrs_duration": None,
    "qt": None,
    "qtcf": {"low": 390, "expected": 410, "high": 430},
    "morphology": [{"lead": "V5", "shape": "tall R"}],
    "confidence": 0.8,
    "cited": ["N1"],
    "text": "Sinus rhythm at 72 bpm\nwith tall R waves in V5.",
}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


class Reply(NamedTuple):
    """What the server does with one request.

    `lost` bytes are announced and never sent, `delay` is before the answer, s, `endless` is sent again and again;
    `drips` is the time between headers that never end, s.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}
    lost: int = 0
    delay: float = 0.0
    endless: bytes = b""
    drips: float = 0.0


def completion(content: str | None, refusal: str | None = None, finish: str = "stop", usage: Any = USAGE) -> Reply:
    """A chat completion."""
    said = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish, "message": said}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return Reply(json.dumps(body).encode())


def report(**changes: Any) -> Reply:
    """A completion with a good report, or one that is changed."""
    return completion(json.dumps({**REPORT, **changes}))


Play = Callable[[dict[str, Any]], Reply]


class LlmServer(ThreadingHTTPServer):
    """Plays replies and remembers requests, headers and the most that were under way at a time."""

    daemon_threads = True

    def __init__(self, play: Play) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.play = play
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answered, self.under_way, self.most = 0, 0, 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def prompts(self) -> list[dict[str, Any]]:
        """The data of each request."""
        return [json.loads(request["messages"][1]["content"]) for request in self.asked]

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # who hangs up meant to


class Handler(BaseHTTPRequestHandler):
    server: LlmServer

    def do_POST(self) -> None:
        server, asked = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.asked.append(asked)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.under_way += 1
            server.most = max(server.most, server.under_way)
        try:
            self._reply(server.play(asked))
        finally:
            with server.lock:
                server.under_way -= 1

    def _reply(self, reply: Reply) -> None:
        time.sleep(reply.delay)
        with suppress(OSError):
            while reply.drips:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(reply.drips)
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not reply.endless:
            self.send_header("Content-Length", str(len(reply.body) + reply.lost))
        self.end_headers()
        self.wfile.write(reply.body)
        with self.server.lock:
            self.server.answered += 1
        with suppress(OSError):
            while reply.endless:
                self.wfile.write(reply.endless)
                if len(reply.endless) < 100:
                    time.sleep(0.05)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(play: Play | Reply) -> Iterator[LlmServer]:
    """A server in a thread; `play` is the reply to a request, or the same to all."""
    server = LlmServer((lambda asked: play) if isinstance(play, Reply) else play)
    with running(server):
        yield server
