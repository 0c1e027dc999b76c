"""Base class of every section of params.yaml."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Typed, immutable group of parameters; unknown keys and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
