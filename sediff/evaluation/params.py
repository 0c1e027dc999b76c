"""Parameters of the evaluation stage."""

from pydantic import Field

from sediff.section import Section


class EvaluationParams(Section):
    """Sizes and thresholds of what is measured."""

    bootstraps: int = Field(20, ge=2, description="draws of the bootstrap intervals")
    neighbours: int = Field(5, ge=1, description="k of coverage and density")
    min_records: int = Field(50, ge=2, description="fewer records give no value")
    irregular: float = Field(0.1, gt=0, description="RMSSD / mean RR above which a rhythm counts as irregular")
    near_copy: float = Field(0.95, gt=0, le=1, description="correlation with a training record that counts as a copy")
    pictures: int = Field(6, ge=0, description="pairs of real and synthetic records in the report")
