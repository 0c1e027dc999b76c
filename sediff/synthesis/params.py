"""Parameters of the synthesis stage."""

from typing import Literal

from pydantic import Field

from sediff.section import Items, Section

LONGEST_TEXT = 2000  # characters


class SamplerParams(Section):
    """How a latent is sampled. Batches have one fixed size, since a row's last bits depend on it."""

    steps: int = Field(12, ge=1, le=1000, description="steps of the solver; the denoiser is asked once more at the end")
    guidance: float = Field(1.2, ge=0, le=20, description="classifier-free guidance; 1 is none")
    batch_size: int = Field(64, ge=1, le=4096)
    precision: Literal["float32", "bfloat16"] = "bfloat16"


class CohortRequest(Section):
    """As many records as stated, with the conditions of records drawn from a split."""

    records: int = Field(400, ge=1)


class PromptRequest(Section):
    """Records of one prompt; what is left out is filled by the experience of similar patients."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT)
    age: float | None = Field(None, ge=0, le=120)
    sex: Literal["male", "female"] | None = None
    heart_rate: float | None = Field(None, ge=20, le=300)
    axis: float | None = Field(None, ge=-180, le=180, description="of QRS, degrees")
    records: int = Field(8, ge=1)


class SynthesisParams(Section):
    """The sampler and the three requests: of held-out patients, of training patients, of the user."""

    sampler: SamplerParams = SamplerParams()
    evaluation: CohortRequest = CohortRequest(records=400)
    augmentation: CohortRequest = CohortRequest(records=1000)
    dataset: Items[PromptRequest] = (
        PromptRequest(text="sinus rhythm, normal ECG"),
        PromptRequest(text="atrial fibrillation"),
    )
