"""What a webhook hears of a refresh: the verdict, and the report of what was evaluated.

The body is JSON. Its `text` is a line that chat services show; a service of one's own finds in `report` the page
itself, or, where that is large or is refused, what tells whether a page that it fetches is the one.
"""

import base64
import hashlib
import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit

from sediff.endpoint import reason
from sediff.files import read_out
from sediff.publication.health import SUCCESSES

LIMIT = 30.0  # s, for all that a webhook takes of a night
LARGEST = 4 * 2**20  # bytes of a page that is sent
PAGE, VERDICT = "reports/index.html", "reports/report/metrics.json"
EVALUATED = ("published", "not approved", "gates failed")  # outcomes of nights that have a report of their own
HIDDEN = "see .sediff/refreshes.jsonl"


def message(name: str, entry: Mapping[str, Any], folder: Path, restricted: bool) -> dict[str, Any]:
    """What is told of a refresh.

    Args:
        name: of the dataset.
        entry: of the journal.
        folder: the worktree in which the refresh ran.
        restricted: whether the corpus is. Then nothing is said but that all went well, as a sentence may name a record;
            the page and the names of failed gates were made for others to see.
    """
    told = HIDDEN if restricted and entry["outcome"] not in SUCCESSES else entry["told"]
    evaluated = entry["outcome"] in EVALUATED
    return {
        **entry,
        "name": name,
        "passed": entry["outcome"] in SUCCESSES,
        "told": told,
        "text": f"{name}: {entry['outcome']}: {told}",
        "verdict": read_out(folder / VERDICT) if evaluated else None,
        "report": _report(folder) if evaluated and (folder / PAGE).exists() else None,
    }


def _report(folder: Path) -> dict[str, Any]:
    """The page, which is the public one where the corpus is restricted."""
    page = (folder / PAGE).read_bytes()
    told = {"path": PAGE, "bytes": len(page), "sha256": hashlib.sha256(page).hexdigest()}
    return {**told, "html": page.decode(errors="replace")} if len(page) <= LARGEST else told


def tell(address: str, body: Mapping[str, Any]) -> str:
    """Post a message within `LIMIT`; one that is refused is sent once more without the page.

    Returns:
        Why it was not taken, in words without the address, which may be a secret; "" if it was.
    """
    said = [f"it took longer than {LIMIT:g} s"]
    thread = Thread(target=lambda: said.append(_tell(address, body)), daemon=True)
    thread.start()
    thread.join(LIMIT)  # urllib's own limit begins anew with every byte
    return said[-1]


def _tell(address: str, body: Mapping[str, Any]) -> str:
    try:
        try:
            _post(address, body)
        except HTTPError:
            if "html" not in (body["report"] or {}):
                raise
            _post(address, {**body, "report": {key: body["report"][key] for key in ("path", "bytes", "sha256")}})
    except HTTPError as error:
        return f"it answered with status {error.code}"
    except (OSError, ValueError, HTTPException) as error:
        return reason(error)
    return ""


def _post(address: str, body: Mapping[str, Any]) -> None:
    parts = urlsplit(address)
    own, at, host = parts.netloc.rpartition("@")
    place = urlunsplit(parts._replace(netloc=host))
    request = urllib.request.Request(place, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if at:  # user and password, which urllib takes for a part of the host's name
        basic = base64.b64encode(unquote(own).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    urllib.request.urlopen(request, timeout=LIMIT).close()
