"""What a queue computes, declared in YAML before it runs."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from sediff.errors import UserError
from sediff.section import Section

Plan = TypeVar("Plan", bound=Section)


def read_plan(kind: type[Plan], path: Path, called: str) -> Plan:
    """Read and check a plan.

    Args:
        called: what it is a plan of, for the user.

    Raises:
        UserError: it is missing or malformed.
    """
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UserError(f"{path} is no plan of {called} ({' '.join(told.split())}): mend it.") from None
