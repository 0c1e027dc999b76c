"""Parameters of the encoder stage."""

from typing import Literal

from pydantic import Field

from sediff.section import Section


class ConditionerParams(Section):
    """The text encoder and its contrastive training against ECGs."""

    text: Literal["hashed", "openai", "sentence-transformers"] = Field(
        "hashed", description="what a segment of text is read by; openai at runtime.embedding_base_url"
    )
    model: str = Field("", description="its name at the endpoint, or its folder; hashed has none")
    width: int = Field(128, ge=8, le=1024, description="size of a condition token")
    buckets: int = Field(4096, ge=64, le=2**22, description="rows of the hashed-subword table")
    steps: int = Field(150, ge=1)
    batch_size: int = Field(128, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    withheld: float = Field(0.1, ge=0, le=1, description="share of rows that lack age, sex, rate, axis or experience")
    originals: float = Field(0.3, ge=0, le=1, description="share of rows read in the source's own words")


class StatementJudgeParams(Section):
    """Judge (a): the classifier whose features FD and coverage are measured in."""

    width: int = Field(32, ge=4, le=512, multiple_of=2)
    dropout: float = Field(0.0, ge=0, lt=1)
    average: float = Field(0.98, ge=0, lt=1, description="of the weights' moving average, a step; 0: none")
    steps: int = Field(300, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    min_cases: int = Field(20, ge=1, description="training cases that a statement needs to be learned")


class WaveformJudgeParams(Section):
    """Judge (b): learns from halves of records, without labels."""

    width: int = Field(16, ge=4, le=512, multiple_of=2)
    steps: int = Field(120, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)


class TextJudgeParams(Section):
    """Judge (c): texts and ECGs in one space."""

    width: int = Field(16, ge=4, le=512, multiple_of=2, description="of its ECG network")
    text_width: int = Field(64, ge=8, le=1024)
    buckets: int = Field(4096, ge=64, le=2**22, description="rows of its hashed-subword table")
    steps: int = Field(150, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    originals: float = Field(0.3, ge=0, le=1, description="share of rows read in the source's own words")


class JudgesParams(Section):
    """The three judges."""

    pinned: str = Field("", pattern="^([0-9a-f]{64})?$", description="hash of the judges to use; empty: train them")
    statement: StatementJudgeParams = StatementJudgeParams()
    waveform: WaveformJudgeParams = WaveformJudgeParams()
    text: TextJudgeParams = TextJudgeParams()


class EncoderParams(Section):
    """Conditioner and judges; the training patients are shared out among them."""

    judges_share: float = Field(
        0.5, gt=0, lt=1, description="of the training patients; the others teach the conditioner"
    )
    retrain: bool = Field(False, description="train judges although some are pinned")
    conditioner: ConditionerParams = ConditionerParams()
    judges: JudgesParams = JudgesParams()
