"""Parameters of the simulator stage."""

from pydantic import Field

from sediff.section import Section


class SimulatorParams(Section):
    """How morphology is fitted."""

    min_records: int = Field(20, ge=1, description="training records that a statement needs for a fit of its own")
    steps: int = Field(400, ge=1, description="optimiser steps, all statements and leads at once")
    learning_rate: float = Field(0.02, gt=0)
