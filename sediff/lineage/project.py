"""What a working tree says of its stages: dvc.yaml, dvc.lock, manifests, run records."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sediff.errors import UserError
from sediff.files import damaged, read_out
from sediff.lineage.environment import FILE as ENVIRONMENT
from sediff.lineage.graph import Stage, read_graph, recorded_stages

MANIFEST = "manifest.json"
ORIGIN = ("stage", "parameters", "inputs", "code", "device")  # what a fingerprint is the hash of


@dataclass(frozen=True)
class Project:
    """A working tree, by its folder.

    Attributes:
        absent: outs and inputs that are known not to be here, which nobody may miss.
    """

    root: Path
    absent: frozenset[str] = frozenset()

    def is_absent(self, path: str) -> bool:
        """Whether a path is, or lies in, what is known not to be here."""
        return any(path == name or path.startswith(f"{name}/") for name in self.absent)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages of dvc.yaml."""
        return read_graph(self.root)

    @cached_property
    def recorded(self) -> dict[str, dict[str, Any]]:
        """What dvc.lock says of the stages that dvc.yaml has: others are of an older graph."""
        return {name: entry for name, entry in recorded_stages(self.root).items() if name in self.stages}

    @cached_property
    def outs(self) -> dict[str, dict[str, Any]]:
        """Each out that dvc.lock records, by its path: path, md5, size, and `stage`."""
        return {
            out["path"]: {**out, "stage": name}
            for name, entry in self.recorded.items()
            for out in entry.get("outs", ())
        }

    def out_of(self, path: str) -> dict[str, Any] | None:
        """The out that a file or folder is or lies in; None where it is of no stage."""
        parts = path.split("/")
        names = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self.outs[name] for name in names if name in self.outs), None)

    def folder(self, stage: str) -> Path:
        """Where a stage's data are."""
        return self.root / "data" / stage.replace("@", "/")

    def manifest(self, stage: str) -> dict[str, Any]:
        """What a stage's out says of itself.

        Raises:
            UserError: it is missing or damaged.
        """
        path = self.folder(stage) / MANIFEST
        if not path.is_file():
            raise UserError(f"{path} is missing, of stage {stage}: run `sediff run {stage}`, or `dvc pull`, first.")
        value = read_out(path)
        if not isinstance(value, dict) or not {*ORIGIN, "fingerprint"} <= value.keys() or value["stage"] != stage:
            raise damaged(path)
        return value

    def runs(self, stage: str, fingerprint: str) -> list[dict[str, Any]]:
        """The records of the runs that made a stage's out, the oldest first; none where runs/ was not kept."""
        paths = sorted((self.root / "runs" / stage / fingerprint).glob("*.json"))
        return [{"attempt": path.stem, **read_out(path), **_environment(path.with_suffix(""))} for path in paths]

    def all_runs(self, stage: str) -> list[dict[str, Any]]:
        """The records of all runs of a stage, whatever they made."""
        return [read_out(path) for path in sorted((self.root / "runs" / stage).glob("*/*.json"))]


def _environment(attempt: Path) -> dict[str, Any]:
    """What a run was made in; nothing of runs that were recorded before environments were."""
    path = attempt / ENVIRONMENT
    return {"environment": read_out(path)} if path.is_file() else {}
