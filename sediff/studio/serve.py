"""Serve the page on loopback until Ctrl-C."""

import socket
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from sediff.errors import UserError

LOOPBACK = "127.0.0.1"
CONNECTIONS = 32
SECONDS_KEPT = 5  # an idle connection


def bind(port: int) -> socket.socket:
    """A socket on loopback, on which whoever connects from now on waits for `serve`; port 0 is a free one.

    Raises:
        UserError: the port is taken, or not for us.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
        bound.listen(CONNECTIONS)
    except OSError as error:
        bound.close()
        raise UserError(f"Port {port} cannot be had ({error.strerror}): give another --port, or none.") from None
    return bound


def serve(app: ASGIApp, bound: socket.socket) -> None:
    """Answer until Ctrl-C or SIGTERM."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=SECONDS_KEPT,
        timeout_graceful_shutdown=SECONDS_KEPT,
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])
