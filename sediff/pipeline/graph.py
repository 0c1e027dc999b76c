"""What DVC knows: the order of the stages, and which are stale and why. The only place that imports DVC."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.exceptions import StageFileDoesNotExistError

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
    with _repo(root) as repo:
        before = {stage.addressing: _names(repo.index.graph.successors(stage)) for stage in repo.index.stages}
    done: list[str] = []
    while len(done) < len(before):
        done.append(min(name for name, needs in before.items() if name not in done and needs <= set(done)))
    return done


def staleness(root: Path) -> list[Staleness]:
    """Every stage in order with the reasons for which it would run; what follows from a stale stage is stale."""
    stages = order(root)
    with _repo(root) as repo:
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
    with _repo(root) as repo:
        return bool(repo.status(targets=[stage]))


def _repo(root: Path) -> Repo:
    try:
        return Repo(str(root))
    except (DvcException, StageFileDoesNotExistError) as error:
        raise UserError(f"{root / 'dvc.yaml'} cannot be read by DVC ({error}): restore it from git.") from None


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
                reasons += (
                    [f"parameter {key}" for key in parameters]
                    if isinstance(state, dict)
                    else [_reason(kind, path, str(state))]
                )
    return reasons


def _reason(kind: str, path: str, state: str) -> str:
    words = {"deleted": "missing", "not in cache": "missing"}
    return f"{words.get(state, state)} {'out ' if kind == 'changed outs' else ''}{path}"
