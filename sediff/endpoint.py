"""An OpenAI-compatible endpoint, and who may be sent there."""

import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sediff.errors import UserError

if TYPE_CHECKING:
    from openai import OpenAI

KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers.

    Attributes:
        base_url: of an OpenAI-compatible API, such as "http://127.0.0.1:8000/v1".
        model: its name there.
        allow_list: hosts ("llm.example.org" or "llm.example.org:8443") that may see restricted sources.
        timeout: seconds, of each try; retries: after the first try, on faults of the network.
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

    def client(self) -> "OpenAI":
        """A client that follows no redirect; the key comes from the environment only.

        Raises:
            UserError: the endpoint is not on this machine and there is no key.
        """
        import openai  # here: what only reads an embedding of a text needs no client

        key = os.environ.get(KEY)
        if not key and not self.on_loopback:
            raise UserError(f"{KEY} is not set: export the key of {self.base_url}, or use what needs no endpoint.")
        http = openai.DefaultHttpxClient(follow_redirects=False, trust_env=not self.on_loopback)
        return openai.OpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=self.retries,
            http_client=http,
        )
