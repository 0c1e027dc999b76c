"""What can be asked for: rows, distributions of conditions, "like the corpus", "fill these classes up to N".

A request is a list of parts, each of one of these kinds, which its keys tell. A record's place in the list is its
index, and its condition a function of (seed, index).
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Field, Tag, TypeAdapter, model_validator

from sediff.errors import UserError
from sediff.files import sha256_file
from sediff.section import Items, Section
from sediff.texts import one_line

LONGEST_TEXT = 2000  # characters
MOST = 10**9  # records: tens of terabytes
SEXES = {"M": "male", "F": "female"}  # as `sediff generate` takes them too
UP_TO = "up_to"  # a key of `fill`, no statement's code
AGE, HEART_RATE, AXIS = (0, 120), (20, 300), (-180, 180)  # years, bpm, degrees
PR, QRS, QT = (80, 400), (50, 250), (200, 700)  # ms
LIMITS = {"age": AGE, "heart_rate": HEART_RATE, "axis": AXIS, "pr": PR, "qrs": QRS, "qt": QT}
OUTSIDE = "it must lie between {} and {}"


def _all_named(shares: dict[str, Any]) -> dict[str, Any]:
    if not all(name.strip() for name in shares):
        raise ValueError("a key is blank: name what the share is of")
    return shares


Sex = Annotated[
    Literal["male", "female"],
    BeforeValidator(lambda value: SEXES.get(value, value) if isinstance(value, str) else value),
]
Records = Annotated[int, Field(ge=1, le=MOST)]
Share = Annotated[float, Field(gt=0)]
Shares = Annotated[dict[str, Share], Field(min_length=1), AfterValidator(_all_named)]
Text = Annotated[str, AfterValidator(one_line), Field(max_length=LONGEST_TEXT)]


class PromptRequest(Section):
    """Records of one condition, a text or statements; what is left out is filled by similar patients' experience."""

    text: Text = ""
    statements: Items[str] = Field((), description="codes of the vocabulary, instead of a text")
    age: float | None = Field(None, ge=AGE[0], le=AGE[1])
    sex: Sex | None = None
    heart_rate: float | None = Field(None, ge=HEART_RATE[0], le=HEART_RATE[1])
    axis: float | None = Field(None, ge=AXIS[0], le=AXIS[1], description="of QRS, degrees")
    pr: float | None = Field(None, ge=PR[0], le=PR[1], description="ms; of models with a morphology, as qrs and qt")
    qrs: float | None = Field(None, ge=QRS[0], le=QRS[1], description="its duration, ms")
    qt: float | None = Field(None, ge=QT[0], le=QT[1], description="ms")
    records: Records = 1

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        _one_of(self.text, self.statements)
        return self


class Spread(Section):
    """A number that is drawn: normal with mean and sd, cut to low and high where they are given; or even between."""

    mean: float | None = None
    sd: float | None = Field(None, gt=0)
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.mean is None) != (self.sd is None) or (self.mean is None and None in (self.low, self.high)):
            raise ValueError("write {mean, sd} or {low, high}")
        stated = [number for number in (self.low, self.mean, self.high) if number is not None]
        if any(first >= second for first, second in pairwise(stated)):
            raise ValueError("low must be below mean, and both below high")
        return self


def _within(least: float, most: float) -> AfterValidator:
    """Limits of a number, or of each number that a spread states."""

    def check(value: float | Spread) -> float | Spread:
        stated = [value.mean, value.low, value.high] if isinstance(value, Spread) else [value]
        if any(number is not None and not least <= number <= most for number in stated):
            raise ValueError(OUTSIDE.format(least, most))
        return value

    return AfterValidator(check)


def _mapping_or(other: str) -> Discriminator:
    """Tags, in brackets so that no message shows them: a mapping is a distribution."""
    return Discriminator(lambda value: "(drawn)" if isinstance(value, Mapping | BaseModel) else other)


Number = Annotated[Annotated[float, Tag("(one)")] | Annotated[Spread, Tag("(drawn)")], _mapping_or("(one)")]
SharesOfTexts = Annotated[dict[Text, Share], Field(min_length=1), AfterValidator(_all_named)]
Texts = Annotated[Annotated[Text, Tag("(one)")] | Annotated[SharesOfTexts, Tag("(drawn)")], _mapping_or("(one)")]
Codes = Annotated[Annotated[Items[str], Tag("(one)")] | Annotated[Shares, Tag("(drawn)")], _mapping_or("(one)")]


def _once(shares: Any) -> Any:
    """Refuse "M" beside "male", of which one would be lost."""
    names = [SEXES.get(name, name) for name in shares] if isinstance(shares, Mapping) else []
    if len(set(names)) < len(names):
        raise ValueError("a sex stands there twice, as M and male or F and female: leave one")
    return shares


SharesOfSexes = Annotated[dict[Sex, Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_once), Field(min_length=1)]
Sexes = Annotated[
    Annotated[Sex, Tag("(one)")] | Annotated[SharesOfSexes, Tag("(drawn)")],
    _mapping_or("(one)"),
]


class DrawnRequest(Section):
    """Records whose conditions are drawn, each value by itself; shares of texts and statements are relative.

    Statements that go together stand in one key, such as "SR CLBBB". One sex's share leaves the rest to the other.
    """

    text: Texts = ""
    statements: Codes = ()
    age: Annotated[Number, _within(*AGE)] | None = None
    sex: Sexes | None = None
    heart_rate: Annotated[Number, _within(*HEART_RATE)] | None = None
    axis: Annotated[Number, _within(*AXIS)] | None = None
    pr: Annotated[Number, _within(*PR)] | None = None
    qrs: Annotated[Number, _within(*QRS)] | None = None
    qt: Annotated[Number, _within(*QT)] | None = None
    records: Records

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        _one_of(self.text, self.statements)
        if isinstance(self.sex, dict) and len(self.sex) == 2 and not math.isclose(sum(self.sex.values()), 1):
            raise ValueError("the shares of the sexes must add up to 1, or give one of them")
        return self


class LikeRequest(Section):
    """Records with the conditions of the corpus's training records, jointly, as often as they come there."""

    like: Literal["corpus"]
    records: Records


class FillRequest(Section):
    """So many records that each class has as many as stated, with the training records that it has.

    `up_to` speaks for every statement that the training records have and that is not named.
    """

    fill: Annotated[dict[str, Records], Field(min_length=1)]


def _one_of(text: object, statements: object) -> None:
    if not (text.strip() if isinstance(text, str) else text) and not statements:
        raise ValueError("say what the ECG should show: text or statements")
    if text and statements:
        raise ValueError("give text or statements, not both")


KINDS: dict[type[BaseModel], str] = {
    LikeRequest: "(like)",
    FillRequest: "(fill)",
    DrawnRequest: "(drawn)",
    PromptRequest: "(row)",
}


def _kind(value: Any) -> str:
    if not isinstance(value, Mapping):
        return KINDS.get(type(value), "(row)")
    if "like" in value:
        return "(like)"
    if "fill" in value:
        return "(fill)"
    return "(drawn)" if any(isinstance(of, Mapping) for of in value.values()) else "(row)"


Part = Annotated[
    Annotated[PromptRequest, Tag("(row)")]
    | Annotated[DrawnRequest, Tag("(drawn)")]
    | Annotated[LikeRequest, Tag("(like)")]
    | Annotated[FillRequest, Tag("(fill)")],
    Discriminator(_kind),
]
PARTS: TypeAdapter[list[Part]] = TypeAdapter(list[Part])


class RequestFile(Section):
    """A request in a file, YAML or Parquet, whose content params.yaml names by its hash."""

    file: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, path: Path) -> Self:
        """A file as it is now, which must be there; its path relative to the project where it lies within."""
        own = path.resolve()
        inside = own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own
        return cls(file=inside.as_posix(), sha256=sha256_file(path))

    def found(self) -> Path:
        """Where it is.

        Raises:
            UserError: it is not there, or is another.
        """
        path = Path(self.file)
        if path.is_file() and sha256_file(path) == self.sha256:
            return path
        why = "is not as it was when params.yaml was told of it" if path.is_file() else "is missing"
        raise UserError(
            f"{path}, the request of synthesis.dataset, {why}: `sediff configure --request {path}` takes it as it is, "
            "or restore it."
        )


Asked = Annotated[
    Annotated[Items[Part], Tag("(rows)")] | Annotated[RequestFile, Tag("(file)")],
    Discriminator(lambda value: "(file)" if isinstance(value, Mapping | RequestFile) else "(rows)"),
]


def place_of(location: tuple[Any, ...]) -> str:
    """A validation error's place as dotted keys, without the tags of what it was tried as."""
    return ".".join(str(part) for part in location if not str(part).startswith(("(", "[")))
