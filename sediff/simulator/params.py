"""Parameters of the simulator stage."""

from pydantic import Field

from sediff.section import Section


class SimulatorParams(Section):
    """How morphology is fitted."""

    min_records: int = Field(20, ge=1, description="training records that a statement needs for a fit of its own")
    steps: int = Field(40, ge=1, description="least-squares steps, all statements and leads at once")
    record_steps: int = Field(20, ge=1, description="least-squares steps of each record's own fit")
