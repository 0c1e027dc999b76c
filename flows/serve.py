"""`sediff serve`: refreshes by a schedule, and says on loopback whether they go well."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from prefect import flow
from prefect.schedules import Cron

from flows.refresh import OWN, refresh
from sediff.errors import UserError
from sediff.params import Params
from sediff.pipeline.server import prefect_server
from sediff.progress import log_line
from sediff.publication.health import SUCCESSES, health


@flow(name="scheduled refresh", log_prints=True)
def scheduled() -> str:
    """One refresh in the folder where `serve` was started; a failed one is a failed flow run."""
    entry = refresh()
    if entry["outcome"] not in SUCCESSES:
        raise UserError(entry["told"])
    return entry["told"]


class Healthz(BaseHTTPRequestHandler):
    """GET /healthz: 200 while the last success is recent enough, else 503, with the sentence of `sediff health`."""

    def do_GET(self) -> None:
        """Answer a probe."""
        if self.path != "/healthz":
            self.send_error(404)
            return
        well, told = health(Path(), Params.load().publication.max_age)
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
        UserError: the line is none, or the port is taken.
    """
    try:
        schedule = Cron(cron)
    except ValueError as error:
        raise UserError(
            f"--cron {cron!r} is no schedule ({error}): write five fields, for example '0 2 * * *'."
        ) from None
    if port:
        try:
            probes = ThreadingHTTPServer(("127.0.0.1", port), Healthz)
        except OSError as error:
            raise UserError(f"Port {port} cannot be used ({error.strerror}): give another --port.") from None
        Thread(target=probes.serve_forever, daemon=True).start()
        log_line(f"health: http://127.0.0.1:{port}/healthz")
    params = Params.load()
    with prefect_server(OWN / "prefect", params.runtime.server_start_limit) as api:
        log_line(f"refreshing by {cron!r}; Prefect: {api.removesuffix('/api')}")
        scheduled.serve(
            name=f"refresh {params.publication.name}", schedule=schedule, limit=1, print_starting_message=False
        )
