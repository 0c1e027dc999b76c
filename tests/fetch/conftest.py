"""Servers for the tests of `sediff fetch`, none of which waits as long as a user does."""

import threading
from collections.abc import Iterator

import pytest

from sediff.fetch import download, parallel
from tests.fetch.site import FILES, Site


@pytest.fixture(autouse=True)
def quick_and_anonymous(monkeypatch) -> None:
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(parallel, "GRACE", 0.2)
    for name in ("PHYSIONET_USER", "PHYSIONET_PASSWORD", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def serve(files: dict[str, bytes]) -> Iterator[Site]:
    site = Site(files)
    threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield site
    site.shutdown()
    site.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve(FILES)


@pytest.fixture
def other_site() -> Iterator[Site]:
    yield from serve(FILES)
