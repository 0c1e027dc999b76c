"""A server on loopback in PhysioNet's layout, which misbehaves as it is told, and what tests do with it."""

import base64
import hashlib
import re
import socket
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from sediff.fetch import copy, verified
from sediff.fetch.corpora import CORPORA

ROOT = "/ludb/1.0.1/"
LISTING = "SHA256SUMS.txt"
BIG = bytes(range(256)) * 4096  # 1 MiB, many pieces
FILES = {
    "RECORDS": b"data/1\ndata/2\n",
    "ludb.csv": b"ID,Sex\n1,F\n",
    "data/1.hea": b"1 12 500 5000\n",
    "data/1.dat": BIG,
    "data/with space & %.dat": b"odd name",
}
USER, PASSWORD = "somebody", "sésame,ouvre-toi"


class Site(ThreadingHTTPServer):
    """Files by path; `faults` has what happens to the next requests of a path, one after the other."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.ranges = True
        self.password: str | None = None
        self.elsewhere = ""
        self.listing: bytes | None = None
        self.pause = 0.0
        self.open = self.most_open = self.accepted = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def body(self, path: str) -> bytes | None:
        if path != LISTING:
            return self.files.get(path)
        lines = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in self.files.items()]
        return self.listing if self.listing is not None else "".join(lines).encode()

    def asked(self, path: str) -> list[dict[str, str]]:
        """Headers of the requests for a path."""
        return [headers for name, headers in self.requests if name == path]

    def paths(self) -> list[str]:
        return [name for name, _ in self.requests]

    def process_request(self, request, client_address) -> None:
        self.accepted += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address) -> None:
        """Clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Site

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path).removeprefix(ROOT)
        site = self.server
        with site.lock:
            site.requests.append((path, dict(self.headers)))
            site.open += 1
            site.most_open = max(site.most_open, site.open)
            faults = site.faults[path]
            fault = faults[0] if faults[:1] and faults[0].startswith("always ") else (faults.pop(0) if faults else "")
        try:
            time.sleep(site.pause)
            self.answer(path, fault.removeprefix("always "))
        finally:
            with site.lock:
                site.open -= 1

    def answer(self, path: str, fault: str) -> None:
        site, body = self.server, self.server.body(path)
        if site.password and self.headers.get("Authorization") != site.password:
            return self.reply(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="PhysioNet"'})
        if fault == "redirect":
            return self.reply(302, b"", {"Location": f"{site.elsewhere}{self.path}"})
        if fault.startswith("busy"):
            retry_after = fault.removeprefix("busy").strip()
            return self.reply(503, b"busy", {"Retry-After": retry_after} if retry_after else {})
        if fault.isdecimal():
            return self.reply(int(fault), b"no")
        if body is None:
            return self.reply(404, b"no such file")
        if fault == "corrupt":
            body = b"X" + body[1:]
        self.send_file(body, fault)

    def send_file(self, body: bytes, fault: str) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not (asked and self.server.ranges):
            return self.reply(200, body, fault=fault)
        start = int(asked[1])
        if start >= len(body):
            return self.reply(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        self.reply(206, body[start:], {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, fault)

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, fault: str = "") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault in ("cut", "hang") else body)
        self.wfile.flush()
        if fault == "hang":
            time.sleep(30)
        if fault == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def fetch(site: Site, folder: Path, *only: str, verify: bool = False, connections: int = 2) -> str:
    return copy.fetch(CORPORA["ludb"], folder, only, verify, connections, site.url)


def held(folder: Path) -> dict[str, bytes]:
    """Files of a copy, but for the listing and the record of what was verified."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in (LISTING, verified.STATE)}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
