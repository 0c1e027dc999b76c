"""Parameters of the virtual cohort."""

from pydantic import Field

from sediff.section import Section


class CohortParams(Section):
    """How many patients are simulated, and from which seed."""

    patients: int = Field(1800, ge=20, le=100_000)
    seed: int = Field(0, ge=0)
