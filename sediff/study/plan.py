"""What is studied: the studies and their arms as `studies.yaml` declares them."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from sediff.cells.plan import read_plan
from sediff.errors import UserError
from sediff.section import Items, Section

DECLARED = Path(__file__).parent / "studies.yaml"
BASELINE = "real"


class ClassifierParams(Section):
    """The classifier of all cells, and how long it is trained."""

    width: int = Field(ge=4, le=512)
    depth: int = Field(ge=1, le=64, description="residual blocks of each of its three levels")
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)


class Arm(Section):
    """What a classifier is trained on."""

    real: bool = True
    synthetic: Literal["none", "cases", "all"] = "none"
    augmented: bool = False
    oversampled: bool = False
    thinned: bool = True


class Study(Section):
    """A question, and the records that answer it.

    Attributes:
        target: `each statement` are all that have enough cases, told one by one.
        statements: of which a case has one.
        share: of the training patients.
        folds: of cross-validation by patient over all splits, instead of `tested_on`.
        request: which of the generator's requests made the synthetic records.
        min_cases: of this study, instead of the plan's.
    """

    target: Literal["superclasses", "statements", "each statement", "sex"]
    statements: Items[str] = ()
    kept: int | None = Field(None, ge=1)
    share: float = Field(1.0, gt=0, le=1)
    equal: bool = False
    tested_on: Items[Literal["audit", "validation", "test"]] = ()
    folds: int = Field(0, ge=0)
    exploratory: bool = False
    request: Literal["augmentation", "dataset"] = "augmentation"
    min_cases: int | None = Field(None, ge=1)
    core: Items[str] = ()
    others: Items[str] = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.target == "statements") != bool(self.statements):
            raise ValueError("name statements where they are the target, and only there")
        if bool(self.tested_on) == (self.folds > 1):
            raise ValueError("say who is tested: tested_on, or two folds or more")
        if self.target in ("superclasses", "each statement") and self.kept:
            raise ValueError("only cases of one class can be thinned")
        return self

    @property
    def has_own(self) -> bool:
        """Whether its labels or its least number of cases are of a kind that `bench` does not know."""
        return self.target == "each statement" or self.min_cases is not None

    @property
    def synthetic(self) -> Path:
        """The folder of the synthetic records in a clone's `data`."""
        return Path("synthesis") / self.request


class Plan(Section):
    """Studies, arms, seeds, and what all cells share."""

    classifier: ClassifierParams
    min_cases: int = Field(ge=1)
    bootstraps: int = Field(ge=2)
    compared: int = Field(ge=2)
    core_seeds: Items[int]
    seeds: Items[int]
    arms: dict[str, Arm]
    studies: dict[str, Study]

    @model_validator(mode="after")
    def _arms_are_declared(self) -> Self:
        used = [arm for study in self.studies.values() for arm in (*study.core, *study.others)]
        if unknown := [arm for arm in (BASELINE, *used) if arm not in self.arms]:
            raise ValueError(f"arm {unknown[0]} is not declared")
        if empty := [name for name, arm in self.arms.items() if not arm.real and arm.synthetic == "none"]:
            raise ValueError(f"arm {empty[0]} is trained on nothing")
        return self

    @classmethod
    def load(cls, path: Path = DECLARED) -> Self:
        """Read and check a plan.

        Raises:
            UserError: it is missing or malformed.
        """
        return read_plan(cls, path, "studies")

    def is_core(self, study: str, arm: str) -> bool:
        """Whether claims rest on it."""
        return arm in self.studies[study].core

    def min_cases_of(self, study: str) -> int:
        """How many cases a class of a study needs."""
        return self.studies[study].min_cases or self.min_cases

    def chosen(self, studies: list[str], arms: list[str], seeds: list[int]) -> list[tuple[str, str, int]]:
        """Study, arm and seed of each cell, the core first; of what is named only where something is named.

        Raises:
            UserError: there is no such study or arm.
        """
        for kind, named, known in (("study", studies, self.studies), ("arm", arms, self.arms)):
            if unknown := [name for name in named if name not in known]:
                raise UserError(f"There is no {kind} {unknown[0]}: there are {', '.join(known)}.")
        declared = self.studies.items()
        core = [
            (name, arm, seed) for seed in seeds or self.core_seeds for name, study in declared for arm in study.core
        ]
        others = [(name, arm, seed) for name, study in declared for seed in seeds or self.seeds for arm in study.others]
        return [
            (name, arm, seed)
            for name, arm, seed in core + others
            if (not studies or name in studies) and (not arms or arm in arms)
        ]
