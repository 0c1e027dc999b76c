"""`sediff serve`: refreshes by a schedule, and says on loopback whether they go well."""

import json
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from flows.refresh import OWN, only_serve, refresh
from sediff.errors import UserError
from sediff.params import Params
from sediff.pipeline.server import prefect_server
from sediff.progress import log_line
from sediff.publication.health import health


class Healthz(BaseHTTPRequestHandler):
    """GET /healthz: 200 while the last success is recent enough, else 503, with the sentence of `sediff health`."""

    def do_GET(self) -> None:
        """Answer a probe."""
        if self.path != "/healthz":
            self.send_error(404)
            return
        try:
            well, told = health(Path(), Params.load().publication.max_age)
        except UserError as error:
            well, told = False, str(error)
        body = json.dumps({"healthy": well, "told": told}).encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are not news."""


def serve(cron: str, port: int) -> None:
    """Refresh by a cron line until ended.

    Raises:
        UserError: the line is none, the port is taken, or another one goes on here.
    """
    if port:
        try:
            probes = ThreadingHTTPServer(("127.0.0.1", port), Healthz)
        except OSError as error:
            raise UserError(f"Port {port} cannot be used ({error.strerror}): give another --port.") from None
        Thread(target=probes.serve_forever, daemon=True).start()
        log_line(f"health: http://127.0.0.1:{port}/healthz")
    params = Params.load()
    limit, days = params.runtime.server_start_limit, params.publication.retention.nightly
    with only_serve(Path()), prefect_server(OWN / "prefect", limit, days) as api:
        from flows.scheduled import due  # Prefect reads its address as it is imported

        nights = due(cron)
        log_line(f"refreshing by {cron!r}; Prefect: {api.removesuffix('/api')}")
        for _ in nights:
            try:
                refresh()
            except UserError as error:
                log_line(f"refresh: {error}")
            except Exception:  # a fault of its own, which the journal has too: the next night is another one
                traceback.print_exc()
