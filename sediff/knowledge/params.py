"""Parameters of the knowledge stage."""

from collections.abc import Container
from typing import Literal, Self

from pydantic import Field, model_validator

from sediff.section import Section


class SimilarityWeights(Section):
    """λ of τ(u, u') = λ₁ J_diagnoses + λ₂ J_medications + λ₃ J_procedures."""

    diagnoses: float = Field(default=0.5, ge=0, le=1, description="λ₁")
    medications: float = Field(default=0.25, ge=0, le=1, description="λ₂")
    procedures: float = Field(default=0.25, ge=0, le=1, description="λ₃")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.diagnoses + self.medications + self.procedures == 0:
            raise ValueError("at least one weight must be above 0")
        return self

    def over(self, views: Container[str]) -> dict[str, float]:
        """The weights of the views that a query has, scaled to a sum of 1; 0 of the others, and where none counts."""
        own = {view: weight if view in views else 0.0 for view, weight in self.model_dump().items()}
        total = sum(own.values())
        return {view: weight / total if total else 0.0 for view, weight in own.items()}


class KnowledgeParams(Section):
    """How similar patients are found and what they teach is put into words."""

    neighbours: int = Field(default=150, ge=1, le=200, description="similar records an experience rests on, at most")
    closeness: float = Field(
        default=0.5, ge=0, le=1, description="share of the best similarity that neighbours after the tenth reach"
    )
    weights: SimilarityWeights = SimilarityWeights()
    distiller: Literal["offline", "llm"] = Field(default="offline", description="llm: any OpenAI-compatible endpoint")
    model: str = Field(default="", description="the model's name at the endpoint; llm only")
    temperature: float | None = Field(default=0.0, ge=0, le=2, description="null: not sent; llm only")
    max_tokens: int = Field(default=1600, ge=64, le=32768, description="longest answer; llm only")
    length_parameter: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="what the endpoint calls the longest answer; llm only"
    )

    @model_validator(mode="after")
    def _model_named(self) -> Self:
        if self.distiller == "llm" and not self.model:
            raise ValueError("the llm distiller needs a model")
        return self
