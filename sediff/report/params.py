"""The gates: thresholds for any metric, which the report checks, and `sediff gate`."""

from pydantic import Field, RootModel

from sediff.section import Section


class Gate(Section):
    """Bounds of one metric; a metric that is not there does not pass.

    A bound of an interval's end, such as `….auc.high: {max: 0.55}`, holds with the interval's confidence.
    """

    min: float | None = None
    max: float | None = None
    rise: float | None = Field(
        None, ge=0, description="at most so much above the served version, beyond what the intervals of both allow"
    )
    fall: float | None = Field(None, ge=0, description="at most so much below it")
    optional: bool = Field(
        False, description="pass where the stage says that it left the metric out, as of few records"
    )

    @property
    def is_absolute(self) -> bool:
        """Whether it asks for the metric alone."""
        return self.min is not None or self.max is not None

    @property
    def is_relative(self) -> bool:
        """Whether it asks for the served version."""
        return self.rise is not None or self.fall is not None


class GatesParams(RootModel[dict[str, Gate]]):
    """Bounds by `stage.metric`, for example `evaluation.heart_rate.mae_bpm: {max: 8}`."""

    root: dict[str, Gate] = Field(default_factory=dict)

    @property
    def relative(self) -> "GatesParams":
        """What is asked against the served version alone; that a metric is missing is not."""
        changed = {"min": None, "max": None, "optional": True}
        gates = {metric: gate.model_copy(update=changed) for metric, gate in self.root.items() if gate.is_relative}
        return GatesParams(gates)
