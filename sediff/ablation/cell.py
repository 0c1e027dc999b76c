"""A cell of the ablation: one arm at one seed, and all that its figures rest on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sediff.ablation.arms import Plan
from sediff.errors import UserError
from sediff.files import read_out, sha256_json, write_json
from sediff.lineage.fingerprint import CODE, content_hash
from sediff.lineage.graph import find_stage
from sediff.params import Params

SCHEMA_VERSION = 1
TRAINED_ON = ("corpus", "simulator", "knowledge", "encoder/conditioner", "autoencoder")
MEASURED_BY = "encoder/judges"


@dataclass(frozen=True)
class Cell:
    """One arm at one seed.

    Attributes:
        params: of the arm.
        training: what its denoiser rests on: parameters, inputs, code, device.
        measuring: what its figures rest on beside that.
    """

    arm: str
    seed: int
    params: Params
    training: dict[str, Any]
    measuring: dict[str, Any]

    @property
    def trained(self) -> str:
        """Fingerprint of its denoiser, which arms may share."""
        return sha256_json(self.training)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its figures."""
        return sha256_json([self.training, self.measuring])

    @property
    def name(self) -> str:
        """What it is called in lines for the user."""
        return f"{self.arm}, seed {self.seed}"

    def path(self, folder: Path) -> Path:
        """Its file among those of all cells."""
        return folder / f"{self.arm}-{self.seed}-{self.fingerprint[:12]}.json"

    def read(self, folder: Path) -> dict[str, Any] | None:
        """Its figures, if they are there."""
        path = self.path(folder)
        return read_out(path) if path.exists() else None

    def others(self, folder: Path) -> list[Path]:
        """Files of the same arm and seed that rest on something else."""
        return sorted(set(folder.glob(f"{self.arm}-{self.seed}-*.json")) - {self.path(folder)})

    def write(self, folder: Path, found: dict[str, Any]) -> None:
        """Keep its figures beside what they rest on."""
        head = {"schema_version": SCHEMA_VERSION, "arm": self.arm, "seed": self.seed, "fingerprint": self.fingerprint}
        write_json(self.path(folder), {**head, "training": self.training, "measuring": self.measuring, **found})


def cells_of(
    root: Path, plan: Plan, params: Params, device: dict[str, str], arms: list[str], seeds: list[int]
) -> list[Cell]:
    """The cells of a plan in the order in which they are run.

    Args:
        root: of the clone; device: all about it that numbers depend on.

    Raises:
        UserError: what all cells share has not been made yet.
    """
    inputs = {name: _made(root, name) for name in TRAINED_ON}
    code = _code(root, "diffusion")
    measuring = {
        "samples": plan.samples,
        "split": plan.split,
        "request_seed": params.reproducibility.seed,
        "sampler": params.synthesis.sampler.model_dump(),
        "evaluation": params.evaluation.model_dump(),
        "judges": _made(root, MEASURED_BY),
        "code": {**_code(root, "synthesis@evaluation"), **_code(root, "evaluation"), **_own(root)},
    }
    cells = []
    for arm, seed in plan.chosen(arms, seeds):
        own = plan.params(params, arm)
        withheld = list(plan.arms[arm].withheld)
        training = {
            "parameters": own.diffusion.model_dump(),
            "withheld": withheld,
            "seed": seed,
            "inputs": inputs,
            "code": code,
            "device": device,
        }
        cells.append(Cell(arm, seed, own, training, measuring))
    return cells


def _made(root: Path, name: str) -> str:
    path = root / "data" / name / "manifest.json"
    if not path.exists():
        raise UserError(f"{path.parent} is missing: `sediff run`, or `dvc pull`, makes what all cells share.")
    return read_out(path)["fingerprint"]


def _code(root: Path, stage: str) -> dict[str, str]:
    return {dep: content_hash(root / dep) for dep in find_stage(root, stage).deps if dep.startswith(CODE)}


def _own(root: Path) -> dict[str, str]:
    names = ("ask.py", "compute.py", "measure.py")
    return {name: content_hash(root / "sediff/ablation" / name) for name in names}
