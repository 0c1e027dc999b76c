"""An OpenAI-compatible endpoint, and who may be sent there."""

import ipaddress
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sediff.errors import UserError

if TYPE_CHECKING:
    from openai import OpenAI

KEY = "OPENAI_API_KEY"
LONGEST_LABEL = 63  # between the dots of a host's name (RFC 1035)
LARGEST_ANSWER = 32 * 2**20  # bytes; 128 embeddings are a tenth of it


def checked_address(address: str, path: bool = True) -> str:
    """The address of an API, or "" for none.

    Args:
        path: whether it may have one, as "/v1"; an address without one is given without a "/" at its end.

    Raises:
        ValueError: it is none, or has what would end up in messages and kept answers: a password or a query.
    """
    try:
        parts = urlsplit(address)
        labels = (parts.hostname or "").removesuffix(".").split(".")
        nameless = not all(0 < len(label) <= LONGEST_LABEL for label in labels)
        malformed = parts.scheme not in ("http", "https") or nameless or parts.port == 0
    except ValueError:  # a port that is no number, half an IPv6 address
        malformed = True
    if address and (malformed or any(character.isspace() or not character.isprintable() for character in address)):
        raise ValueError(f"{address!r} is no address of an API: write one like http://127.0.0.1:8000/v1")
    if address and ("@" in parts.netloc or "?" in address or "#" in address):
        instead = f"the key is read from {KEY}" if path else "others read params.yaml"
        raise ValueError(f"an address has no user, password, query or fragment: {instead}")
    if not path and address and parts.path.strip("/"):
        raise ValueError(f"{address!r} is no address of a server: write http://HOST:PORT, without a path")
    return address if path else address.rstrip("/")


def shown(address: str) -> str:
    """An address from the environment as messages have it: without user and password, query and fragment."""
    scheme, mark, rest = address.partition("://") if "://" in address else ("", "", address)
    plain = rest.partition("?")[0].partition("#")[0]
    if "@" in rest[len(plain) :]:  # a password may have such a character, against the rules: nothing is sure then
        return f"{scheme}{mark}..."
    return f"{scheme}{mark}{plain.rpartition('@')[2]}"


def reason(error: Exception) -> str:
    """Why a server was not reached, in words without its address, which may be a secret."""
    number = getattr(getattr(error, "reason", error), "errno", None) or 0
    return os.strerror(number) if number > 0 else type(error).__name__


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers.

    Attributes:
        base_url: of an OpenAI-compatible API, such as "http://127.0.0.1:8000/v1".
        model: its name there.
        allow_list: hosts ("llm.example.org" or "llm.example.org:8443") that may see restricted sources.
        timeout: seconds, of each try: until an answer begins, between its parts, and for all of them.
        retries: after the first try, on faults of the network; a Retry-After of up to two minutes is waited for.
    """

    base_url: str
    model: str
    allow_list: tuple[str, ...] = ()
    timeout: float = 60.0
    retries: int = 2

    @property
    def on_loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def may_see_restricted(self) -> bool:
        """Whether records of restricted sources may be sent here."""
        parts = urlsplit(self.base_url)
        address = parts.netloc.rpartition("@")[2]
        return self.on_loopback or bool({parts.hostname, address} & set(self.allow_list))

    def refuse_restricted(self, names: Sequence[str]) -> None:
        """Refuse to distil records of these restricted sources here.

        Raises:
            UserError: there are some, and the endpoint is neither on loopback nor allow-listed.
        """
        if names and not self.may_see_restricted():
            raise UserError(
                f"Source {names[0]} is restricted and may not be sent to {self.base_url}: use an endpoint on loopback, "
                "name its host in runtime.llm_allowed_hosts, or choose knowledge.distiller offline."
            )

    def client(self) -> "OpenAI":
        """A client that follows no redirect; the key comes from the environment only.

        Raises:
            UserError: the endpoint is not on this machine and there is no key.
        """
        import openai  # here: what only reads an embedding of a text needs no client

        key = os.environ.get(KEY)
        if not key and not self.on_loopback:
            raise UserError(f"{KEY} is not set: export the key of {self.base_url}, or use what needs no endpoint.")
        http = openai.DefaultHttpxClient(
            follow_redirects=False,
            trust_env=not self.on_loopback,
            headers={"Accept-Encoding": "identity"},  # or a small answer could unpack to any size
            event_hooks={"response": [self._bound]},
        )
        return openai.OpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=self.retries,
            http_client=http,
        )

    def _bound(self, response: Any) -> None:
        """Let the body of an answer take no more than the time limit and `LARGEST_ANSWER`: some never end."""
        import httpx2

        request, body, end = response.request, response.stream, time.monotonic() + self.timeout
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=request)

        class Bounded(httpx2.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                size = 0
                for part in body:
                    size += len(part)
                    if size > LARGEST_ANSWER or time.monotonic() > end:
                        raise httpx2.ReadTimeout("the answer does not end", request=request)
                    yield part

            def close(self) -> None:
                body.close()

        response.stream = Bounded()
