"""Parameters of the corpus stage."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from sediff.corpus.readers import READERS
from sediff.section import Items, Section
from sediff.sources import VIRTUAL, SourceParams


class FoldParams(Section):
    """Which of the source's folds (`strat_fold`) go to which split."""

    train: Items[int] = (1, 2, 3, 4, 5, 6, 7)
    validation: Items[int] = (8,)
    test: Items[int] = (9, 10)

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        folds = self.train + self.validation + self.test
        if len(set(folds)) != len(folds):
            raise ValueError("a fold may stand in one split only")
        return self


class ScreeningParams(Section):
    """Limits beyond which a recording is set aside."""

    max_amplitude_mv: float = Field(8.0, gt=0, description="largest absolute value")
    flat_range_mv: float = Field(0.02, ge=0, description="a lead whose range is smaller is flat")
    max_limb_lead_residual_mv: float = Field(0.05, gt=0, description="largest departure from the limb-lead identities")
    max_missing_share: float = Field(
        0.0, ge=0, lt=1, description="share of a lead's samples that may be missing and are interpolated"
    )
    clipped_s: float = Field(0.03, gt=0, description="s; a lead that rests at its own extreme for so long is clipped")
    clipped_from_mv: float = Field(
        1.0, ge=0, description="mV; no amplifier ends at less, so small waves are left alone"
    )
    reversal_correlation: float = Field(
        0.7,
        gt=0,
        le=1,
        description="limb electrodes count as swapped where I or II and V6 are so opposed and P points down; 1: never",
    )
    min_beats: int = Field(3, ge=2, description="fewer R peaks cannot be worked with")


class CorpusParams(Section):
    """What is read and how it is screened."""

    sources: Items[SourceParams] = Field(min_length=1)
    folds: FoldParams = FoldParams()
    audit: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the training patients, by hash, whom nothing learns from: the privacy audit's strangers",
    )
    canaries: float = Field(
        0.002, ge=0, lt=1, description="share of the training patients whose recordings run backwards, for the audit"
    )
    screening: ScreeningParams = ScreeningParams()
    min_likelihood: float = Field(
        50.0, ge=0, le=100, description="from this likelihood on an SCP statement is present; 0, unstated, too"
    )
    shards: int = Field(16, ge=1, le=4096, description="files of records, by a hash of the patient; best of some 5,000")

    @field_validator("sources")
    @classmethod
    def _known_readers(cls, sources: tuple[SourceParams, ...]) -> tuple[SourceParams, ...]:
        for source in sources:
            if source.reader not in READERS:
                raise ValueError(f"there is no reader {source.reader}: there are {', '.join(READERS)}")
        names = [source.name for source in sources]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"{twice} stands twice: give each source its own name")
        _refuse_twins(sources)
        return sources


def _refuse_twins(sources: tuple[SourceParams, ...]) -> None:
    """Refuse one corpus under two readers: its patients would have two ids, and stand in training and in test.

    Equal recordings are found by their content, but those of two rates are not equal.
    """
    readers: dict[str, SourceParams] = {}
    for source in sources:
        corpus = READERS[source.reader].corpus
        if not corpus or source.name == VIRTUAL:
            continue
        other = readers.setdefault(corpus, source)
        if other.reader != source.reader:
            raise ValueError(
                f"{other.name} and {source.name} are both {corpus}, read by {other.reader} and by {source.reader}, and "
                "would put its patients into training and into test: keep one of them"
            )
