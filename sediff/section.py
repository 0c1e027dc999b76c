"""Base class of every section of params.yaml."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")
Items = Annotated[tuple[Item, ...], Field(strict=False)]  # YAML has lists only


class Section(BaseModel):
    """Typed, immutable group of parameters; unknown keys and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
