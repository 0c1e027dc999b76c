"""Parameters of the diffusion stage."""

from typing import Literal, Self

from pydantic import Field, model_validator

from sediff.section import Section


class DenoiserParams(Section):
    """Size of the denoiser."""

    width: int = Field(128, ge=16, le=2048)
    depth: int = Field(3, ge=1, le=64)
    heads: int = Field(2, ge=1, le=64, description="few heads are faster on a CPU")
    patch: int = Field(2, ge=1, le=25, description="latent steps in a token")
    rhythm: bool = Field(
        True,
        description="whether it sees (cos θ, sin θ), which beats are ventricular and which have a P wave",
    )
    morphology: bool = Field(True, description="whether it sees the simulator's record of its own η: two stages")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class MorphologyParams(Section):
    """Stage one, p(η | c), and how η is given to the denoiser; used where `denoiser.morphology` is on."""

    width: int = Field(192, ge=16, le=2048)
    depth: int = Field(3, ge=1, le=64)
    steps: int = Field(600, ge=1, description="training steps")
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    dropout: float = Field(0.1, ge=0, le=1, description="share of records whose η the denoiser is not given")
    worst_error: float = Field(0.3, gt=0, description="of a record's fit, mean over leads: a worse one is none")


class PhysicsParams(Section):
    """L_total = L_DDPM + euler·L_Euler + interlead·L_interlead, weighted by the noise level."""

    form: Literal["none", "paper", "paper-scaled", "derivative", "record", "hinge", "shrinkage"] = Field(
        "none", description="what the slope of a beat is compared with: see sediff/diffusion/physics_forms.py"
    )
    euler: float = Field(0.02, ge=0, description="λ of the paper")
    interlead: float = Field(0.007, ge=0, description="γ of the paper")
    weight: Literal["snr/(1+snr)", "min(snr,1)", "1"] = Field("snr/(1+snr)", description="by the noise level")
    every: int = Field(8, ge=1, description="every how many steps the terms are taken (scaled to match)")
    rows: int = Field(12, ge=1, description="records of a batch they are taken on")
    rare: int = Field(50, ge=1, description="training records of a statement that shrinkage leaves alone")


class DiffusionParams(Section):
    """The denoiser, its training and the physics terms."""

    denoiser: DenoiserParams = DenoiserParams()
    morphology: MorphologyParams = MorphologyParams()
    physics: PhysicsParams = PhysicsParams()
    steps: int = Field(2000, ge=1, description="training steps")
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(4e-3, gt=0)
    average: float = Field(0.995, ge=0, lt=1, description="rate of the weights' moving average")
    condition_dropout: float = Field(0.1, ge=0, le=1)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    compiled: bool = Field(False, description="shorter steps after a minute or two; takes g++ and Python's headers")
