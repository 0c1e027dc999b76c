"""The fingerprint of a stage: a hash of its parameters, inputs, code, environment and device.

Two runs with the same fingerprint give the same bytes; rows and manifests carry it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.lineage.graph import find_stage, parameter, read_graph, recorded_hashes

CODE = ("sediff", "flows", "knowledge", "constraints.txt")


@dataclass(frozen=True)
class Origin:
    """What a stage's result depends on.

    Attributes:
        parameters: by dotted key.
        inputs: hash of each data dependency: DVC's where another stage made it, else SHA-256 of the content.
        code: SHA-256 of each code dependency, the vocabulary and the environment's lock.
        device: kind of device, and builds and versions of libraries that numbers depend on beyond the lock.
    """

    stage: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    code: dict[str, str]
    device: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all of it."""
        return sha256_json(asdict(self))


def origin_of(root: Path, stage: str, device: dict[str, str]) -> Origin:
    """Gather what a stage depends on from dvc.yaml, params.yaml, dvc.lock and the files themselves.

    Raises:
        UserError: an input is missing.
    """
    entry = find_stage(root, stage)
    made = {out for other in read_graph(root).values() for out in other.outs}
    values = yaml.safe_load((root / "params.yaml").read_text())
    recorded = recorded_hashes(root)
    inputs, code = {}, {}
    for dep in entry.deps:
        if not (root / dep).exists():
            raise UserError(f"{dep}, an input of {stage}, is missing: run `sediff run`, which makes it.")
        if dep.startswith(CODE):
            code[dep] = content_hash(root / dep)
        else:
            inputs[dep] = recorded[dep] if dep in made and dep in recorded else content_hash(root / dep)
    return Origin(stage, {key: parameter(values, key) for key in entry.params}, inputs, code, device)


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of a folder's files."""
    if path.is_file():
        return sha256_file(path)
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return sha256_json([[file.relative_to(path).as_posix(), sha256_file(file)] for file in files])
