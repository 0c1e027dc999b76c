"""Parameters of the augmentation stage."""

from pydantic import Field

from sediff.section import Section


class AugmentationParams(Section):
    """The classifier of the superclasses, the same for each arm."""

    width: int = Field(24, ge=4, le=512)
    steps: int = Field(120, ge=1, description="training steps of each arm")
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    min_cases: int = Field(10, ge=1, description="cases that a superclass needs in training and in test")
    bootstraps: int = Field(50, ge=2, description="draws of the patients for the intervals")
