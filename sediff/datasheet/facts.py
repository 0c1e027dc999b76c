"""What whoever makes a dataset knows of it and its rows do not say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sediff.files import damaged, read_out
from sediff.sources import SourceParams

FILE = "dataset.json"
SCHEMA_VERSION = 2  # of a dataset folder: 2 has confidence, exact_similarity and meaning_similarity


@dataclass(frozen=True)
class Facts:
    """How a dataset was made.

    Attributes:
        name: what the request is called; what is no letter, digit, dot or dash becomes a dash.
        request: what was asked for, as JSON takes it: prompts, a distribution, or a file's hash where it is long.
        sampler: settings of the sampler, by name.
        sources: what the models were trained on.
    """

    name: str
    request: Any = None
    sampler: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[SourceParams] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", re.sub(r"[^A-Za-z0-9.-]+", "-", self.name).strip("-") or "dataset")

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        sources = [source.model_dump(mode="json") for source in self.sources]
        return {"name": self.name, "request": self.request, "sampler": dict(self.sampler), "sources": sources}


def read_facts(folder: Path) -> Facts:
    """The facts of a dataset that `describe_dataset` described; of another one nothing but the folder's name is known.

    Raises:
        UserError: the description is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return Facts(folder.resolve().name)
    try:
        known = read_out(path)
        sources = tuple(SourceParams.model_validate(source) for source in known["sources"])
        return Facts(known["name"], known["request"], known["sampler"], sources)
    except (KeyError, TypeError, ValueError):
        raise damaged(path) from None
