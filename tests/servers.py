"""Servers that tests talk to: each in a thread of its own, gone at the end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from threading import Thread
from typing import Any, TypeVar

Server = TypeVar("Server", bound=BaseServer)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """A server that answers until the block is left."""
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Receiver(ThreadingHTTPServer):
    """Keeps the JSON that is posted to it, but for bodies over `largest` bytes, which it refuses with `status`.

    What it was asked is in `asked`: paths, and who said to ask.
    """

    def __init__(self, largest: int = 2**30, status: int = 413) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked.append((self.path, self.headers.get("Authorization", "")))
                taken = len(body) <= largest
                if taken:
                    receiver.bodies.append(json.loads(body))
                self.send_response(200 if taken else status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"
