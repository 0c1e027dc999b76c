"""A cell: one thing that is compared at one seed, and its file, named by all that its figures rest on."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from sediff.errors import UserError
from sediff.files import read_out, sha256_json, write_json
from sediff.lineage.fingerprint import CODE, content_hash
from sediff.lineage.graph import find_stage

SCHEMA_VERSION = 1


class KeptCell(ABC):
    """One thing at one seed."""

    seed: int

    @property
    @abstractmethod
    def labels(self) -> dict[str, str]:
        """What it is of, such as its arm: names in its file and, their values joined, its file's name."""

    @property
    @abstractmethod
    def origin(self) -> dict[str, Any]:
        """All that its figures rest on, in parts."""

    @property
    def lacks(self) -> str:
        """What it cannot be run without and is not there; "" where nothing is."""
        return ""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its figures."""
        return sha256_json(list(self.origin.values()))

    @property
    def name(self) -> str:
        """What it is called in lines for the user."""
        return f"{', '.join(self.labels.values())}, seed {self.seed}"

    @property
    def _stem(self) -> str:
        return "-".join([*self.labels.values(), str(self.seed)])

    def path(self, folder: Path) -> Path:
        """Its file among those of all cells."""
        return folder / f"{self._stem}-{self.fingerprint[:12]}.json"

    def read(self, folder: Path) -> dict[str, Any] | None:
        """Its figures, if they are there."""
        path = self.path(folder)
        return read_out(path) if path.exists() else None

    def others(self, folder: Path) -> list[Path]:
        """Files of the same thing and seed that rest on something else."""
        return sorted(set(folder.glob(f"{self._stem}-*.json")) - {self.path(folder)})

    def write(self, folder: Path, found: dict[str, Any]) -> None:
        """Keep its figures beside what they rest on."""
        head = {"schema_version": SCHEMA_VERSION, **self.labels, "seed": self.seed, "fingerprint": self.fingerprint}
        write_json(self.path(folder), {**head, **self.origin, **found})


def made(folder: Path) -> str:
    """The fingerprint of what a stage made.

    Raises:
        UserError: it has not been made yet.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise UserError(f"{folder} is missing: `sediff run`, or `dvc pull`, makes what all cells share.")
    return read_out(path)["fingerprint"]


def code_of(root: Path, stage: str) -> dict[str, str]:
    """Hash of each code dependency of a stage."""
    return {dep: content_hash(root / dep) for dep in find_stage(root, stage).deps if dep.startswith(CODE)}
