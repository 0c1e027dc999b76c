"""What is compared: the arms as `arms.yaml` declares them."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sediff.cells.plan import read_plan
from sediff.diffusion.data import Part
from sediff.errors import UserError
from sediff.params import PARAMS, Params
from sediff.section import Items, Section

DECLARED = Path(__file__).parent / "arms.yaml"
BASELINE = "none"
MAY_DIFFER = "diffusion."  # all else is shared


class Arm(Section):
    """One arm: parameters by dotted key, and the parts of a condition that are withheld."""

    params: dict[str, Any] = Field(default_factory=dict)
    withheld: Items[Part] = ()


class Plan(Section):
    """The arms, their seeds, and how long each is trained and how often sampled."""

    steps: int = Field(ge=1)
    samples: int = Field(ge=2)
    split: Literal["validation", "test"]
    core: Items[str]
    core_seeds: Items[int]
    seeds: Items[int]
    common: dict[str, Any] = Field(default_factory=dict)
    arms: dict[str, Arm]

    @model_validator(mode="after")
    def _core_is_declared(self) -> Self:
        if unknown := [name for name in (BASELINE, *self.core) if name not in self.arms]:
            raise ValueError(f"arm {unknown[0]} is not declared")
        keys = [key for params in (self.common, *(arm.params for arm in self.arms.values())) for key in params]
        if foreign := [key for key in keys if not key.startswith(MAY_DIFFER)]:
            raise ValueError(f"{foreign[0]} is shared by all arms: only {MAY_DIFFER}* may differ")
        return self

    @classmethod
    def load(cls, path: Path = DECLARED) -> Self:
        """Read and check a plan.

        Raises:
            UserError: it is missing or malformed.
        """
        return read_plan(cls, path, "an ablation")

    def chosen(self, arms: list[str], seeds: list[int]) -> list[tuple[str, int]]:
        """Arm and seed of each cell, the core first; of the named arms or seeds only where some are named.

        Raises:
            UserError: there is no such arm.
        """
        if unknown := [name for name in arms if name not in self.arms]:
            raise UserError(f"There is no arm {unknown[0]}: the arms are {', '.join(self.arms)}.")
        core = [(arm, seed) for seed in seeds or self.core_seeds for arm in self.core]
        others = [(arm, seed) for seed in seeds or self.seeds for arm in self.arms if arm not in self.core]
        return [(arm, seed) for arm, seed in core + others if not arms or arm in arms]

    def params(self, params: Params, arm: str) -> Params:
        """The parameters of an arm: params.yaml's with what is common and what differs, and the plan's steps."""
        values = params.model_dump()
        for key, value in {**self.common, **self.arms[arm].params, "diffusion.steps": self.steps}.items():
            node, *path = values, *key.split(".")
            for name in path[:-1]:
                node = node.get(name, {})
            if path[-1] not in node:
                raise UserError(f"Arm {arm} sets {key}, and there is no such parameter: mend {DECLARED}.")
            node[path[-1]] = value
        return Params.check(values, PARAMS)
