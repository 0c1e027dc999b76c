"""What DVC knows: the order of the stages, and which are stale and why. The only place that imports DVC."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from sediff.errors import UserError
from sediff.lineage.graph import changed_parameters

logging.getLogger("dvc").setLevel(logging.ERROR)


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
    with open_repo(root) as repo:
        before = {stage.addressing: _names(repo.index.graph.successors(stage)) for stage in repo.index.stages}
    done: list[str] = []
    while len(done) < len(before):
        done.append(min(name for name, needs in before.items() if name not in done and needs <= set(done)))
    return done


def staleness(root: Path) -> list[Staleness]:
    """Every stage in order with the reasons for which it would run; what follows from a stale stage is stale."""
    stages = order(root)
    with open_repo(root) as repo:
        before = {stage.addressing: _names(repo.index.graph.successors(stage)) for stage in repo.index.stages}
        status = repo.status()
    result: dict[str, Staleness] = {}
    for stage in stages:
        upstream = [name for name in stages if name in before[stage] and result[name].reasons]
        reasons = _reasons(status.get(stage, []), changed_parameters(root, stage))
        reasons += [f"follows {name}" for name in upstream]
        result[stage] = Staleness(stage, tuple(reasons))
    return list(result.values())


def is_stale(root: Path, stage: str) -> bool:
    """Whether one stage, all before it being done, would run."""
    with open_repo(root) as repo:
        return bool(repo.status(targets=[stage]))


@contextmanager
def open_repo(root: Path) -> Iterator[Repo]:
    """DVC's view of the folder; what it refuses within the block is told in one sentence.

    Raises:
        UserError: another DVC command works here, or dvc.yaml, dvc.lock or an out cannot be read.
    """
    try:
        with Repo(str(root)) as repo:
            yield repo
    except LockError:
        raise UserError("Another DVC command, or a stage, is working in this folder: wait for it or end it.") from None
    except DvcException as error:
        sentence = " ".join(str(error).split())
        raise UserError(f"DVC cannot work here ({sentence}): mend or restore the file from git.") from None


def _names(stages: Iterable[Any]) -> set[str]:
    return {stage.addressing for stage in stages}


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
