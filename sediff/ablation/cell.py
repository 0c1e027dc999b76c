"""A cell of the ablation: one arm at one seed, and all that its figures rest on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sediff.ablation.arms import Plan
from sediff.cells.cell import KeptCell, code_of, made
from sediff.files import sha256_json
from sediff.lineage.fingerprint import content_hash
from sediff.params import Params

TRAINED_ON = ("corpus", "simulator", "knowledge", "encoder/conditioner", "autoencoder")
MEASURED_BY = "encoder/judges"


@dataclass(frozen=True)
class Cell(KeptCell):
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
    def labels(self) -> dict[str, str]:
        """Its arm."""
        return {"arm": self.arm}

    @property
    def origin(self) -> dict[str, Any]:
        """What its figures rest on."""
        return {"training": self.training, "measuring": self.measuring}


def cells_of(
    root: Path, plan: Plan, params: Params, device: dict[str, str], arms: list[str], seeds: list[int]
) -> list[Cell]:
    """The cells of a plan in the order in which they are run.

    Args:
        root: of the clone; device: all about it that numbers depend on.

    Raises:
        UserError: what all cells share has not been made yet.
    """
    inputs = {name: made(root / "data" / name) for name in TRAINED_ON}
    code = code_of(root, "diffusion")
    measuring = {
        "samples": plan.samples,
        "split": plan.split,
        "request_seed": params.reproducibility.seed,
        "sampler": params.synthesis.sampler.model_dump(),
        "evaluation": params.evaluation.model_dump(),
        "judges": made(root / "data" / MEASURED_BY),
        "code": {**code_of(root, "synthesis@evaluation"), **code_of(root, "evaluation"), **_own(root)},
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


def _own(root: Path) -> dict[str, str]:
    names = ("ask.py", "compute.py", "measure.py")
    return {name: content_hash(root / "sediff/ablation" / name) for name in names}
