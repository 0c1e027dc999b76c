"""Parameters of the evaluation stage."""

from pydantic import Field

from sediff.section import Section


class AuditParams(Section):
    """The privacy audit: who is attacked, how often, and the reference that calibrates the denoiser's loss."""

    records: int = Field(2000, ge=2, description="members, and strangers, at most")
    decisive: int = Field(
        1000,
        ge=100,
        description="strangers, beside twice as many members, from which on a verdict is given: fewer fail a model "
        "that tells nothing more often than once in twenty times",
    )
    draws: int = Field(1, ge=1, description="of noise at each level of the denoiser's loss")
    bootstraps: int = Field(200, ge=20, description="draws of the patients for the intervals")
    reference_steps: int = Field(
        150, ge=0, description="training steps of the reference denoiser, on validation patients; 0: none"
    )
    batch_size: int = Field(64, ge=1, description="of the reference")
    learning_rate: float = Field(4e-3, gt=0, description="of the reference")


class EvaluationParams(Section):
    """Sizes and thresholds of what is measured."""

    bootstraps: int = Field(100, ge=2, description="draws of the bootstrap intervals")
    neighbours: int = Field(5, ge=1, description="k of coverage and density")
    min_records: int = Field(50, ge=2, description="fewer records give no value")
    irregular: float = Field(0.1, gt=0, description="RMSSD / mean RR above which a rhythm counts as irregular")
    near_copy: float = Field(0.95, gt=0, le=1, description="correlation with a training record that counts as a copy")
    pictures: int = Field(6, ge=0, description="pairs of real and synthetic records in the report")
    audit: AuditParams = AuditParams()
