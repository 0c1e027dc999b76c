"""What refreshes did, and whether the last success is recent enough."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sediff.errors import UserError

JOURNAL = Path(".sediff/refreshes.jsonl")
SUCCESSES = ("published", "nothing new")


class NotPublishedError(UserError):
    """A refresh that ended as it should, without a version: `outcome` says why in a word or two."""

    def __init__(self, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome


def entry_of(outcome: str, told: str, version: str) -> dict[str, Any]:
    """What the journal says of a refresh that ends now."""
    return {"ended": datetime.now(UTC).isoformat(), "outcome": outcome, "told": told, "version": version}


def note(root: Path, entry: Mapping[str, Any]) -> None:
    """Append to the journal what a refresh did.

    Raises:
        OSError: the disk does not take it.
    """
    path = root / JOURNAL
    path.parent.mkdir(exist_ok=True)
    cut = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if cut else "") + json.dumps(entry, ensure_ascii=False) + "\n")


def read_journal(root: Path) -> list[dict[str, Any]]:
    """All entries, the oldest first; what a crash cut is left out."""
    path = root / JOURNAL
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and {"ended", "outcome", "version"} <= entry.keys():
            entries.append(entry)
    return entries


def health(root: Path, max_age: float, now: datetime | None = None) -> tuple[bool, str]:
    """Whether the last success is at most `max_age` hours old, and a sentence that says so."""
    successes = [entry for entry in read_journal(root) if entry["outcome"] in SUCCESSES]
    if not successes:
        return False, "no refresh has succeeded here yet"
    last = successes[-1]
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(last["ended"])
    if age < timedelta(0):
        return False, f"the last refresh ended in the future, at {last['ended']}: check the clock"
    hours = age / timedelta(hours=1)
    told = f"the last success ({last['outcome']}, {last['version'] or 'no version'}) is {hours:.1f} h old"
    return (True, told) if hours <= max_age else (False, f"{told}, more than publication.max_age = {max_age:g} h")
