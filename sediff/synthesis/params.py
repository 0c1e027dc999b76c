"""Parameters of the synthesis stage."""

from typing import Literal

from pydantic import Field

from sediff.section import Section
from sediff.synthesis.schema import LONGEST_TEXT, Asked, PromptRequest

__all__ = ["LONGEST_TEXT", "CohortRequest", "GateParams", "PromptRequest", "SamplerParams", "SynthesisParams"]


class SamplerParams(Section):
    """How a latent is sampled. Batches have one fixed size, since a row's last bits depend on it."""

    method: Literal["ddpm", "ddim", "heun", "dpm-solver++"] = "dpm-solver++"
    steps: int = Field(12, ge=1, le=1000, description="steps of the method; the denoiser is asked once more at the end")
    guidance: float = Field(1.2, ge=0, le=20, description="classifier-free guidance; 1 is none")
    rescale: float = Field(0.0, ge=0, le=1, description="share of guidance brought back to the deviation without it")
    pull: float = Field(0.0, ge=0, le=1, description="towards the simulator's record, where intervals are asked for")
    batch_size: int = Field(64, ge=1, le=4096)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    compiled: bool = Field(False, description="each process compiles for half a minute first; other last bits")


class CohortRequest(Section):
    """As many records as stated, with the conditions of records drawn from a split."""

    records: int = Field(400, ge=1)


class GateParams(Section):
    """Records that miss what was asked for are made again. Tolerances are what a measurement may be beyond it."""

    tries: int = Field(0, ge=0, le=20, description="how often a record is made again at most; 0: nothing is measured")
    heart_rate_bpm: float = Field(5.0, ge=0)
    pr_ms: float = Field(20.0, ge=0)
    qrs_ms: float = Field(10.0, ge=0)
    qt_ms: float = Field(20.0, ge=0)
    axis_deg: float = Field(45.0, ge=0)


class SynthesisParams(Section):
    """The sampler and the three requests: of held-out patients, of training patients, of the user.

    The gate is for the user's alone: what is measured on the others is what the model makes at the first try.
    """

    sampler: SamplerParams = SamplerParams()
    gate: GateParams = GateParams()
    evaluation: CohortRequest = CohortRequest(records=400)
    augmentation: CohortRequest = CohortRequest(records=1000)
    dataset: Asked = (
        PromptRequest(text="sinus rhythm, normal ECG"),
        PromptRequest(text="atrial fibrillation"),
    )
