"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sediff.errors import UserError
from sediff.texts import one_line


def number_option(low: float, high: float, told: str) -> Any:
    """An option of a number within limits, which the help shows; what is none, as NaN, is refused in a sentence."""

    def check(option: typer.CallbackParam, value: float | None) -> float | None:
        if value is not None and not low <= value <= high:
            raise UserError(f"{option.opts[0]} {value:g}: write a number from {low} to {high}.")
        return value

    return typer.Option(metavar=f"{low}..{high}", help=told, callback=check)


AgeOption = Annotated[float | None, number_option(0, 120, "Years; wins over what the text says.")]
SexOption = Annotated[str | None, typer.Option(help="F or M; wins over what the text says.")]
HeartRateOption = Annotated[float | None, number_option(20, 300, "Beats a minute; wins over what the text says.")]
LARGEST_SEED = 2**63 - 1  # of a signed 64-bit column, as of reproducibility.seed
SeedOption = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Another seed gives other records.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
SEXES: dict[str, Literal["male", "female"]] = {"f": "female", "female": "female", "m": "male", "male": "male"}


def sex_of(text: str | None) -> Literal["male", "female"] | None:
    """The sex that `--sex` means.

    Raises:
        UserError: it means none.
    """
    if text is not None and text.lower() not in SEXES:
        raise UserError(f"--sex {text}: write F or M.")
    return SEXES[text.lower()] if text is not None else None


def checked_text(text: str) -> str:
    """A prompt that can be asked, in the project's folder.

    Raises:
        UserError: it is empty or too long, or this is another folder.
    """
    from sediff.synthesis.schema import LONGEST_TEXT

    require_project()
    if not any(character.isalnum() for character in text):
        raise UserError("The text is empty: say what the ECG should show, for example 'atrial fibrillation'.")
    if len(text) > LONGEST_TEXT:
        raise UserError(f"The text has {len(text)} characters: {LONGEST_TEXT} are the most.")
    return one_line(text)


def require_project() -> None:
    """Refuse to run outside the project's folder.

    Raises:
        UserError: this is another folder.
    """
    if not Path("params.yaml").is_file():
        raise UserError("params.yaml is missing: run from the project's folder.")
