"""What DVC knows: the order of the stages, and which are stale and why. The only place that imports DVC."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from sediff.errors import UserError
from sediff.lineage.graph import DVC_YAML, changed_parameters, recorded_stages

logging.getLogger("dvc").setLevel(logging.ERROR)
BUSY_WAIT, BUSY_TRIES = 0.5, 10
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Staleness:
    """One stage in the graph's order, and why it would run; without a reason it is up to date."""

    stage: str
    reasons: tuple[str, ...]


def order(root: Path) -> list[str]:
    """All stages in topological order, those that could come first by name first.

    Raises:
        UserError: dvc.yaml cannot be read.
    """
    return _in_order(ask_dvc(root, _before))


def _in_order(before: Mapping[str, set[str]]) -> list[str]:
    done: list[str] = []
    while len(done) < len(before):
        done.append(min(name for name, needs in before.items() if name not in done and needs <= set(done)))
    return done


def staleness(root: Path) -> list[Staleness]:
    """Every stage in order with the reasons for which it would run; what follows from a stale stage is stale."""
    before, status = ask_dvc(root, lambda repo: (_before(repo), repo.status()))
    stages, recorded = _in_order(before), recorded_stages(root)
    result: dict[str, Staleness] = {}
    for stage in stages:
        upstream = [name for name in stages if name in before[stage] and result[name].reasons]
        changes = status.get(stage, [])
        reasons = _reasons(changes, changed_parameters(root, stage)) if changes else []
        if stage not in recorded:  # DVC calls all that a new stage needs modified
            reasons = ["new: dvc.lock does not have it"]
        reasons += [f"follows {name}" for name in upstream]
        result[stage] = Staleness(stage, tuple(reasons))
    return list(result.values())


def is_stale(root: Path, stage: str) -> bool:
    """Whether one stage, all before it being done, would run."""
    return bool(ask_dvc(root, lambda repo: repo.status(targets=[stage])))


def ask_dvc(root: Path, question: Callable[[Repo], Answer]) -> Answer:
    """Answer of a question to DVC about the folder; a lock that another command holds is waited for a moment.

    Raises:
        UserError: another DVC command works here, or dvc.yaml, dvc.lock or an out cannot be read.
    """
    if not (root / DVC_YAML).is_file():
        raise UserError(f"{DVC_YAML} is missing: run from the project's folder, or restore it from git.")
    for attempt in range(BUSY_TRIES):
        try:
            with Repo(str(root)) as repo:
                return question(repo)
        except LockError:
            if attempt + 1 < BUSY_TRIES:
                time.sleep(BUSY_WAIT)
        except DvcException as error:
            sentence = " ".join(str(error).split())
            raise UserError(f"DVC cannot work here ({sentence}): mend or restore the file from git.") from None
    raise UserError("Another DVC command, or a stage, is working in this folder: wait for it or end it.")


def _before(repo: Repo) -> dict[str, set[str]]:
    """The stages that each stage needs; what `dvc add` tracks is none."""
    graph = repo.index.graph
    stages = [stage for stage in repo.index.stages if not stage.is_data_source]
    return {
        stage.addressing: {s.addressing for s in graph.successors(stage) if not s.is_data_source} for stage in stages
    }


def _reasons(changes: list[Any], parameters: list[str]) -> list[str]:
    """DVC's status of one stage in words: `modified sediff/beats.py`, `parameter diffusion.steps`."""
    reasons = []
    for change in changes:
        if isinstance(change, str):
            reasons.append(change)
            continue
        for kind, paths in change.items():
            for path, state in paths.items():
                # DVC names the section of a changed parameter; dvc.lock knows which key it was.
                changed = [f"parameter {key}" for key in parameters] if isinstance(state, dict) else []
                reasons += changed or [_reason(kind, path, str(state))]
    return reasons


def _reason(kind: str, path: str, state: str) -> str:
    words = {"deleted": "missing", "not in cache": "missing"}
    word = "changed" if state.startswith("{") else words.get(state, state)
    return f"{word} {'out ' if kind == 'changed outs' else ''}{path}"
