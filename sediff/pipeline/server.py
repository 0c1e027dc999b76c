"""A loopback Prefect server for the length of a run, where none is configured."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from sediff.endpoint import reason, shown
from sediff.errors import UserError
from sediff.pipeline.execute import end_group
from sediff.processes import die_with_parent
from sediff.publication.params import RetentionParams

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # what goes wrong is told in sediff's own sentence
}
DATABASE = "prefect.db"  # in a server's home
DAY = 86_400  # s
NIGHTS = RetentionParams().nightly
PORTS = 3  # tried


@contextmanager
def prefect_server(home: Path, start_limit: float, days: int | None = NIGHTS) -> Iterator[str]:
    """Give the address of a Prefect API: the configured one, or a server that ends with the block.

    Args:
        home: the own server's folder.
        start_limit: s, for it to come up.
        days: for which it keeps flow runs, with their logs and artifacts; None: it lets none go.

    Raises:
        UserError: the configured server does not answer, or the own one does not come up.
    """
    configured = os.environ.get("PREFECT_API_URL")
    if configured:
        _check(configured)
        yield configured
        return
    home.mkdir(parents=True, exist_ok=True)
    own = {**QUIET, **_vacuum(days), "PREFECT_HOME": str(home.resolve())}
    process, api = _start(home, own, start_limit)
    saved = {name: os.environ.get(name) for name in (*own, "PREFECT_API_URL")}
    try:
        os.environ.update(own | {"PREFECT_API_URL": api})
        yield api
    finally:
        end_group(process)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _vacuum(days: int | None) -> dict[str, str]:
    """What the server itself removes; of events it never keeps more than a week."""
    if days is None:
        return {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events"}
    return {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(days * DAY),
    }


def _check(api: str) -> None:
    """Any answer will do: a server that wants a key says so itself."""
    try:
        urllib.request.urlopen(f"{api}/health", timeout=10).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError, HTTPException) as error:
        raise UserError(
            f"PREFECT_API_URL={shown(api)} does not answer ({reason(error)}): correct it, or unset it to have a server "
            "of its own."
        ) from None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _start(home: Path, own: dict[str, str], limit: float) -> tuple[subprocess.Popen[str], str]:
    """A server that answers, and its address. Its port may be taken before it comes to take it: it gets another."""
    for _ in range(PORTS):
        port = _free_port()
        api = f"http://127.0.0.1:{port}/api"
        with (home / "server.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
                env={**os.environ, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        try:
            if _is_up(process, api, limit, home / "server.log"):
                return process, api
        except BaseException:
            end_group(process)
            raise
    raise UserError(f"The Prefect server ended at once, {PORTS} times: see {home / 'server.log'}.")


def _is_up(process: subprocess.Popen[str], api: str, limit: float, log: Path) -> bool:
    """Wait until the server answers; False if it ends instead."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"{api}/health", timeout=2) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise UserError(
        f"The Prefect server was not up after {limit:.0f} s: raise runtime.server_start_limit or see {log}."
    )
