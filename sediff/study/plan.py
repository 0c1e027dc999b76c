"""What is studied: the studies and their arms as `studies.yaml` declares them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sediff.cells.plan import read_plan
from sediff.errors import UserError
from sediff.section import Items, Section

DECLARED = Path(__file__).parent / "studies.yaml"
BASELINE = "real"


class TrainingParams(Section):
    """How long a classifier is trained."""

    steps: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)


class ClassifierParams(TrainingParams):
    """The classifier of all cells that name no network."""

    width: int = Field(ge=4, le=512)
    depth: int = Field(ge=1, le=64, description="residual blocks of each of its three levels")


class NetworkParams(TrainingParams):
    """An xresnet1d, for studies that name it."""

    depth: Items[Annotated[int, Field(ge=1)]] = Field(min_length=1, description="bottleneck blocks of each level")
    width: int = Field(ge=4, le=512, description="channels that a block computes with; it gives four times as many")
    kernel: int = Field(ge=1, le=99)

    @model_validator(mode="after")
    def _has_a_middle(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("a network's kernel is odd")
        return self


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
        network: of the plan's, instead of its classifier.
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
    network: str = ""
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
        """Whether its labels, its least number of cases or its network are of a kind that `Bench` does not know."""
        return self.target == "each statement" or self.min_cases is not None or bool(self.network)

    @property
    def synthetic(self) -> Path:
        """The folder of the synthetic records in a clone's `data`."""
        return Path("synthesis") / self.request


class Plan(Section):
    """Studies, arms, seeds, and what all cells share."""

    classifier: ClassifierParams
    networks: dict[str, NetworkParams] = Field(default_factory=dict)
    min_cases: int = Field(ge=1)
    bootstraps: int = Field(ge=2)
    compared: int = Field(ge=2)
    core_seeds: Items[int]
    seeds: Items[int]
    arms: dict[str, Arm]
    studies: dict[str, Study]

    @model_validator(mode="after")
    def _what_is_named_is_declared(self) -> Self:
        used = [arm for study in self.studies.values() for arm in (*study.core, *study.others)]
        if unknown := [arm for arm in (BASELINE, *used) if arm not in self.arms]:
            raise ValueError(f"arm {unknown[0]} is not declared")
        if empty := [name for name, arm in self.arms.items() if not arm.real and arm.synthetic == "none"]:
            raise ValueError(f"arm {empty[0]} is trained on nothing")
        if missing := [of.network for of in self.studies.values() if of.network and of.network not in self.networks]:
            raise ValueError(f"network {missing[0]} is not declared")
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

    def classifier_of(self, study: str) -> ClassifierParams | NetworkParams:
        """What a study's records train."""
        return self.networks.get(self.studies[study].network, self.classifier)

    def trained_for(self, steps: int) -> Self:
        """The same plan with so many steps of each training."""
        networks = {name: params.model_copy(update={"steps": steps}) for name, params in self.networks.items()}
        classifier = self.classifier.model_copy(update={"steps": steps})
        return self.model_copy(update={"classifier": classifier, "networks": networks})

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
