"""Who may speak to the page: this machine's browser, from the page itself.

A page elsewhere can make a browser send requests here, under its own name where DNS says so (rebinding). So requests
must name this server as their host, and those that make something must come from its own page.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def hosts_of(port: int) -> tuple[str, ...]:
    """The names under which a browser on this machine knows the server."""
    return tuple(f"{host}:{port}" for host in LOOPBACK)


class Guard:
    """Refuses requests from elsewhere and puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app, self.hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an allowed request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] != "http":
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal:
            await JSONResponse({"error": refusal}, 403)(scope, receive, with_headers)
        else:
            await self.app(scope, receive, with_headers)

    def _refusal(self, headers: Headers) -> str:
        if headers.getlist("host") not in [[host] for host in self.hosts]:
            return "This page is for this machine's browser: open it at the address that sediff studio printed."
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self.hosts}:
            return "Another page may not ask for ECGs."
        return ""
