"""The gates: thresholds for any metric, which the report checks."""

from pydantic import Field, RootModel

from sediff.section import Section


class Gate(Section):
    """Bounds of one metric; a metric that is not there does not pass."""

    min: float | None = None
    max: float | None = None


class GatesParams(RootModel[dict[str, Gate]]):
    """Bounds by `stage.metric`, for example `evaluation.heart_rate.mae_bpm: {max: 8}`."""

    root: dict[str, Gate] = Field(default_factory=dict)
