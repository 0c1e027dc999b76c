"""What the page sends, checked."""

from typing import Literal

from pydantic import Field, ValidationError, field_validator

from sediff.errors import UserError
from sediff.options import checked_text
from sediff.section import Section
from sediff.synthesis.params import PromptRequest

LARGEST_SEED = 2**31 - 1
LONGEST_BODY = 16_384  # bytes: a longest text, each character of it escaped, fits
SENTENCES = {
    "age": "An age is a number of years from 0 to 120.",
    "sex": "A sex is female or male, or left open.",
    "heart_rate": "A heart rate is a number of beats a minute from 20 to 300.",
    "seed": f"A seed is a whole number from 0 to {LARGEST_SEED}.",
}


class Asked(Section):
    """One ECG; what is left out is filled by the text, or by the experience of similar patients."""

    text: str
    age: float | None = Field(None, ge=0, le=120, allow_inf_nan=False)
    sex: Literal["male", "female"] | None = None
    heart_rate: float | None = Field(None, ge=20, le=300, allow_inf_nan=False)
    seed: int = Field(0, ge=0, le=LARGEST_SEED)

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        return checked_text(text)

    @property
    def prompt(self) -> PromptRequest:
        """The same as a request of one record."""
        return PromptRequest(text=self.text, age=self.age, sex=self.sex, heart_rate=self.heart_rate, records=1)


def read_asked(body: bytes) -> Asked:
    """Read what the page sent.

    Raises:
        UserError: it is no JSON, or a value is not one that can be asked for; one sentence without the value.
    """
    try:
        return Asked.model_validate_json(body)
    except ValidationError as error:
        where = error.errors()[0]["loc"]
        name = str(where[0]) if where else ""
        raise UserError(SENTENCES.get(name, "What was sent is not what this page sends.")) from None
