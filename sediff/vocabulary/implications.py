"""What statements imply of a record's measurements, by their definitions."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from sediff.errors import UserError
from sediff.section import Section
from sediff.vocabulary.statements import read_yaml

IMPLICATIONS = Path("knowledge/implications.yaml")


class Bound(Section):
    """What a measurement lies between; None is no limit."""

    min: float | None = None
    max: float | None = None


class Implied(Section):
    """What one statement implies; pr and qrs_duration in ms, heart_rate in bpm."""

    heart_rate: Bound = Bound()
    pr: Bound = Bound()
    qrs_duration: Bound = Bound()
    p_waves: Bound = Field(Bound(), description="share of beats that have one")


def read_implications(path: Path = IMPLICATIONS) -> Mapping[str, Implied]:
    """Codes to what they imply.

    Raises:
        UserError: the file is missing or malformed.
    """
    try:
        return TypeAdapter(dict[str, Implied]).validate_python(read_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path} is malformed: {str(error).splitlines()[0]}.") from None
