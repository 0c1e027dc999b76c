"""The published version from whose weights trainings continue, as `start.json` names it; `{}` where from nothing.

A refresh alone writes it (`sediff/publication/continuing.py`), with the weights in `start/`, which `start.dvc` tracks.
The stages that train depend on this file, as it says which bytes are meant; who starts from nothing has neither.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sediff.errors import UserError
from sediff.files import sha256_file, write_json
from sediff.section import Items, Section

POINTER, START, TRACKED = Path("start.json"), Path("start"), Path("start.dvc")


class Weights(Section):
    """Trained weights of a stage.

    Attributes:
        fingerprint: of the stage that made them.
        files: SHA-256 of each file.
    """

    fingerprint: str
    files: dict[str, str]


class Ancestor(Section):
    """Where continued trainings start.

    Attributes:
        version: NAME@VERSION whose weights they are.
        before: versions from which that one continues, the last first.
        steps: share of a training's steps that a continued one takes.
        stages: weights, by stage.
    """

    schema_version: int = 1
    version: str
    before: Items[str] = ()
    steps: float
    stages: dict[str, Weights]

    @property
    def chain(self) -> tuple[str, ...]:
        """All versions whose training is in the weights, the last first."""
        return (self.version, *self.before)

    def told(self, stage: str) -> dict[str, Any]:
        """What the manifest of a stage says of it."""
        return {"version": self.version, "before": list(self.before), **self.stages[stage].model_dump()}


def read_ancestor(root: Path) -> Ancestor | None:
    """That of a working tree; None where trainings start from nothing.

    Raises:
        UserError: `start.json` is malformed.
    """
    path = root / POINTER
    return parse_ancestor(path.read_bytes(), path) if path.is_file() else None


def parse_ancestor(content: bytes, path: Path) -> Ancestor | None:
    """What a `start.json` says.

    Raises:
        UserError: it is malformed.
    """
    try:
        said = json.loads(content)
        return Ancestor.model_validate(said) if said != {} else None
    except (ValueError, ValidationError):
        raise UserError(f"{path} is malformed: restore it from git; `sediff refresh` alone writes it.") from None


def write_ancestor(root: Path, ancestor: Ancestor | None) -> None:
    """Write `start.json`."""
    write_json(root / POINTER, ancestor.model_dump(mode="json") if ancestor else {})


def start_of(root: Path, ancestor: Ancestor, stage: str) -> Path:
    """The folder of a stage's start weights, which are those that are meant.

    Raises:
        UserError: the stage has none, or a file is missing or another.
    """
    if stage not in ancestor.stages:
        raise UserError(f"{root / POINTER} has no weights for {stage}: restore it from git, or refresh.")
    folder = root / START / Path(*stage.split("@"))
    for name, sha256 in ancestor.stages[stage].files.items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != sha256:
            raise UserError(
                f"{path} is missing, or not the weights of {ancestor.version} that {POINTER} names: restore it with "
                f"`dvc pull {TRACKED}`."
            )
    return folder


def hashes(weights: Mapping[str, str]) -> str:
    """Files of weights with the first digits of their hashes, for a line."""
    return ", ".join(f"{name} {sha256[:16]}" for name, sha256 in sorted(weights.items()))
