"""Parameters of the encoder stage."""

from pydantic import Field

from sediff.section import Section


class ConditionerParams(Section):
    """The text encoder and its contrastive training against ECGs."""

    width: int = Field(128, ge=8, le=1024, description="size of a condition token")
    buckets: int = Field(4096, ge=64, description="rows of the hashed-subword table")
    steps: int = Field(150, ge=1)
    batch_size: int = Field(128, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    withheld: float = Field(0.1, ge=0, le=1, description="share of rows that lack age, sex, rate or experience")


class JudgeParams(Section):
    """The classifier whose features FD and coverage are measured in."""

    width: int = Field(32, ge=4, le=512)
    steps: int = Field(300, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    min_cases: int = Field(20, ge=1, description="training cases that a statement needs to be learned")


class EncoderParams(Section):
    """Conditioner and judge; each is trained on its own half of the training patients."""

    conditioner: ConditionerParams = ConditionerParams()
    judge: JudgeParams = JudgeParams()
