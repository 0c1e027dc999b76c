"""Accepting a change of code that changes no result: `dvc commit`, recorded."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sediff.errors import UserError
from sediff.files import read_json, write_json
from sediff.lineage.fingerprint import CODE
from sediff.lineage.graph import find_stage
from sediff.pipeline.graph import ask_dvc

ACCEPTED = Path("runs/accepted.json")


def accept(root: Path, stage: str) -> str:
    """Take the outs of a stage as they are for its changed code, and note it in `runs/accepted.json`.

    Raises:
        UserError: there is no such stage, or more than its code has changed.
    """
    find_stage(root, stage)
    changes = list(_changes(ask_dvc(root, lambda repo: repo.status(targets=[stage])).get(stage, [])))
    others = sorted(name for kind, name in changes if kind != "changed deps" or not name.startswith(CODE))
    if others:
        raise UserError(f"{stage} has more than changed code ({', '.join(others)}): run it instead.")
    if not changes:
        return f"{stage}: nothing has changed"
    ask_dvc(root, lambda repo: repo.commit(stage, force=True))
    accepted = read_json(root / ACCEPTED) if (root / ACCEPTED).exists() else []
    entry = {"stage": stage, "at": datetime.now(UTC).isoformat(), "code": sorted(name for _, name in changes)}
    write_json(root / ACCEPTED, [*accepted, entry])
    return f"{stage}: its outs are accepted for the code as it is"


def _changes(status: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """DVC's status of one stage as (kind, name)."""
    for change in status:
        if isinstance(change, str):
            yield change, change
        else:
            yield from ((kind, name) for kind, names in change.items() for name in names)
