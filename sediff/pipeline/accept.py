"""Accepting a change of code that changes no result: `dvc commit`, recorded."""

from datetime import UTC, datetime
from pathlib import Path

from dvc.repo import Repo

from sediff.files import read_json, write_json
from sediff.lineage.graph import find_stage

ACCEPTED = Path("runs/accepted.json")


def accept(root: Path, stage: str) -> str:
    """Take the outs of a stage as they are for its changed code, and note it in `runs/accepted.json`.

    Raises:
        UserError: there is no such stage.
    """
    find_stage(root, stage)
    with Repo(str(root)) as repo:
        repo.commit(stage, force=True)
    accepted = read_json(root / ACCEPTED) if (root / ACCEPTED).exists() else []
    write_json(root / ACCEPTED, [*accepted, {"stage": stage, "at": datetime.now(UTC).isoformat()}])
    return f"{stage}: its outs are accepted for the code as it is"
