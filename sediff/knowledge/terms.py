"""Items of an EHR brought to one level: drug names without dose, route, salt and brand; ICD codes in groups."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sediff.errors import UserError

Curated = TypeVar("Curated")

DIAGNOSES, DRUGS, ICD, BROADER = (Path(f"knowledge/{name}.yaml") for name in ("diagnoses", "drugs", "icd", "broader"))

OF_AN_ECG = ("I44", "I45", "I46", "I47", "I48", "I49")  # ICD-10
STOP = re.compile(r"\.(?!\d)")  # of an abbreviation
SHORT = 4  # letters
NOT_PART_OF_THE_NAME = re.compile(
    r"\([^)]*\)?|\*[^*]*\*|\d[\d.,:/]*\s*(?:%|mg|mcg|g|ml|l|units?|meq|mmol|k|b)?\b|[^a-z\s-]"
)


class DrugNames(BaseModel):
    """Curated words by which names of drugs are brought to one level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    forms: frozenset[str]
    salts: frozenset[str]
    electrolytes: frozenset[str]
    brands: dict[str, str]

    @classmethod
    def load(cls, path: Path = DRUGS) -> Self:
        """Read `drugs.yaml`.

        Raises:
            UserError: the file is missing or malformed.
        """
        return _curated(TypeAdapter(cls), path)

    def normalise(self, name: str) -> str:
        """A drug's name in lower case without dose, form, route, salt and brand; "" where nothing is left.

        "Metoprolol Succinate XL" and "Lopressor 25 mg" give "metoprolol"; "Potassium Chloride" stays.
        """
        words = NOT_PART_OF_THE_NAME.sub(" ", STOP.sub("", name.lower())).split()
        words = [combination for word in words if (combination := _combination(word)) and word not in self.forms]
        while len(words) > 1 and words[-1] in self.salts and words[0] not in self.electrolytes:
            words.pop()
        return self.brands.get(" ".join(words), self.brands.get(words[0], " ".join(words)) if words else "")


def _combination(word: str) -> str:
    """Drugs joined by a hyphen, in the order of the alphabet; a name with a hyphen has a short part and stays."""
    parts = [part for part in word.split("-") if part]
    return "-".join(sorted(parts) if all(len(part) > SHORT for part in parts) else parts)


class IcdGroups(BaseModel):
    """Curated groups of ICD codes: title to beginnings of ICD-9 and of ICD-10 codes, ranges as in `icd.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    diagnoses: dict[str, tuple[list[str], list[str]]]
    procedures: dict[str, tuple[list[str], list[str]]]

    @classmethod
    def load(cls, path: Path = ICD) -> Self:
        """Read `icd.yaml`.

        Raises:
            UserError: the file is missing or malformed.
        """
        return _curated(TypeAdapter(cls), path)

    def diagnosis(self, code: pl.Expr, version: pl.Expr) -> pl.Expr:
        """ICD diagnoses to items: "diagnosis:heart failure", or their category, "icd9:E849", where no group is."""
        clean = _clean(code)
        length = pl.when((version == "9") & clean.str.starts_with("E")).then(4).otherwise(3)
        category = pl.concat_str(pl.lit("icd"), version, pl.lit(":"), clean.str.slice(0, length))
        return pl.coalesce(*_grouped(self.diagnoses, "diagnosis", clean, version), category)

    def procedure(self, code: pl.Expr, version: pl.Expr) -> pl.Expr:
        """ICD procedures to items: "procedure:dialysis", or ICD-9's two digits or ICD-10-PCS's section and system."""
        clean = _clean(code)
        category = pl.concat_str(pl.lit("icd"), version, pl.lit("-procedure:"), clean.str.slice(0, 2))
        return pl.coalesce(*_grouped(self.procedures, "procedure", clean, version), category)


def _grouped(
    groups: Mapping[str, tuple[list[str], list[str]]], kind: str, code: pl.Expr, version: pl.Expr
) -> list[pl.Expr]:
    """The group by the longest beginning of the code, by the second longest, and so on; null where there is none."""
    group_of = {
        f"{icd} {beginning}": f"{kind}:{title}"
        for title, beginnings in groups.items()
        for icd, ranges in zip(("9", "10"), beginnings, strict=True)
        for written in ranges
        for beginning in first_characters(written)
    }
    lengths = sorted({len(key.split()[1]) for key in group_of}, reverse=True)
    return [
        pl.concat_str(version, pl.lit(" "), code.str.slice(0, length)).replace_strict(group_of, default=None)
        for length in lengths
    ]


def first_characters(written: str) -> list[str]:
    """Beginnings of codes as `icd.yaml` writes them: "I20-I22" is I20, I21 and I22, "7907" itself."""
    first, _, last = written.partition("-")
    letter = first.rstrip("0123456789")
    width = len(first) - len(letter)
    if not last:
        return [first]
    return [f"{letter}{number:0{width}}" for number in range(int(first[len(letter) :]), int(last[len(letter) :]) + 1)]


def _clean(code: pl.Expr) -> pl.Expr:
    return code.str.strip_chars().str.replace_all(".", "", literal=True).str.to_uppercase()


def diagnosis_names(path: Path = DIAGNOSES) -> dict[str, list[str]]:
    """What people call the groups of diagnoses, in English and German, the title first.

    Raises:
        UserError: a file is missing or malformed.
    """
    others = _curated(TypeAdapter(dict[str, list[str]]), path)
    return {f"diagnosis:{title}": [title, *others.get(title, [])] for title in IcdGroups.load().diagnoses}


def ecg_diagnoses() -> frozenset[str]:
    """Titles of the groups of diagnoses that are made of an ECG: conduction and rhythm.

    Infarction is not among them: its statements name a wall, as `read_broader` tells.

    Raises:
        UserError: the file is missing or malformed.
    """
    groups = IcdGroups.load().diagnoses.items()
    return frozenset(
        title
        for title, (_, icd10) in groups
        if any(code.startswith(OF_AN_ECG) for written in icd10 for code in first_characters(written))
    )


def read_broader() -> dict[str, tuple[str, ...]]:
    """Codes of statements and titles of diagnoses that name no kind, and the codes of the statements that are kinds.

    Raises:
        UserError: the file is missing or malformed.
    """
    return _curated(TypeAdapter(dict[str, tuple[str, ...]]), BROADER)


def _curated(shape: TypeAdapter[Curated], path: Path) -> Curated:
    """What is in a file; all its scalars are text, so that the code 0389 keeps its zero without quotes."""
    try:
        return shape.validate_python(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))
    except (OSError, yaml.YAMLError, ValidationError):
        raise UserError(f"{path} is missing or malformed: restore it from the repository.") from None
