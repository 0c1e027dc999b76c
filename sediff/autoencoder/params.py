"""Parameters of the autoencoder stage."""

from typing import Literal

from pydantic import Field

from sediff.section import Section


class AutoencoderParams(Section):
    """Size, training and the weights of L_VAE = full·L_full + kl·L_KL + beat·L_beat + spectrum·L_spec."""

    width: int = Field(192, ge=8, le=1024, description="channels at the latent's resolution")
    depth: int = Field(4, ge=1, le=32, description="residual blocks at the latent's resolution")
    steps: int = Field(700, ge=1, description="training steps")
    batch_size: int = Field(48, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    full_weight: float = Field(1.0, gt=0)
    qrs_weight: float = Field(4.0, ge=0, description="by how much an error within a QRS counts more in L_full")
    kl_weight: float = Field(1e-4, ge=0)
    beat_weight: float = Field(0.5, ge=0)
    place_weight: float = Field(0.02, ge=0, description="where the beat lies; helps D_beat to find it")
    spectrum_weight: float = Field(0.01, ge=0, description="α of the paper")
