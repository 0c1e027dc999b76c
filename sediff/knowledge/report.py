"""The experience report r (SE-Diff, part 4): what a distiller, an LLM or the offline one, says of one condition."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MIN_TEXT, MAX_TEXT = 20, 1500  # characters
# What physiology allows: bpm and ms.
POSSIBLE: Mapping[str, tuple[float, float]] = {
    "heart_rate": (20, 300),
    "pr": (50, 500),
    "qrs_duration": (40, 300),
    "qt": (150, 800),
    "qtcf": (200, 800),
}

Phrase = Annotated[str, Field(min_length=1, max_length=300)]
Lead = Literal["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


class Range(BaseModel):
    """A value that is expected, and the bounds between which half of similar patients, by weight, lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    expected: float
    high: float

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low <= self.expected <= self.high:
            raise ValueError("low, expected and high must rise")
        return self


def _possible(name: str) -> AfterValidator:
    """A check that a range lies within what physiology allows."""
    least, most = POSSIBLE[name]

    def check(value: Range | None) -> Range | None:
        if value is not None and not (least <= value.low and value.high <= most):
            raise ValueError(f"must lie between {least:g} and {most:g}")
        return value

    return AfterValidator(check)


class LeadMorphology(BaseModel):
    """What the beat is expected to look like in one lead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lead: Lead
    shape: Phrase


class Report(BaseModel):
    """What similar patients teach; null where they do not say.

    Attributes:
        rhythm: the expected rhythm in a few words.
        findings: further expected findings, the most frequent first.
        heart_rate: bpm; pr, qrs_duration, qt, qtcf: ms, QTcF after Fridericia.
        morphology: P, QRS, ST and T by lead, where they matter.
        confidence: 0 to 1, low where the neighbours disagree, or are few or not similar.
        cited: the neighbours it rests on, as the prompt names them ("N1").
        text: one English paragraph that says the above.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rhythm: Phrase
    findings: Annotated[tuple[Phrase, ...], Field(max_length=20)]
    heart_rate: Annotated[Range | None, _possible("heart_rate")]
    pr: Annotated[Range | None, _possible("pr")]
    qrs_duration: Annotated[Range | None, _possible("qrs_duration")]
    qt: Annotated[Range | None, _possible("qt")]
    qtcf: Annotated[Range | None, _possible("qtcf")]
    morphology: Annotated[tuple[LeadMorphology, ...], Field(max_length=12)]
    confidence: Annotated[float, Field(ge=0, le=1)]
    cited: tuple[Phrase, ...]
    text: Annotated[str, Field(min_length=MIN_TEXT, max_length=MAX_TEXT)]
