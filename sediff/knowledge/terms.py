"""Items of an EHR brought to one level: drug names without dose, route, salt and brand; ICD categories."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sediff.errors import UserError

DIAGNOSES, DRUGS = Path("knowledge/diagnoses.yaml"), Path("knowledge/drugs.yaml")

NOT_PART_OF_THE_NAME = re.compile(
    r"\([^)]*\)?|\*[^*]*\*|\d[\d.,:/]*\s*(?:%|mg|mcg|g|ml|l|units?|meq|mmol|k|b)?\b|[^a-z\s-]"
)


class DrugNames(BaseModel):
    """Curated words by which names of drugs are brought to one level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    forms: frozenset[str]
    salts: frozenset[str]
    brands: dict[str, str]

    @classmethod
    def load(cls, path: Path = DRUGS) -> Self:
        """Read `drugs.yaml`.

        Raises:
            UserError: the file is missing or malformed.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError):
            raise UserError(f"{path} is missing or malformed: restore it from the repository.") from None

    def normalise(self, name: str) -> str:
        """A drug's name in lower case without dose, form, route, salt and brand; "" where nothing is left.

        "Metoprolol Succinate XL" and "Lopressor 25 mg" give "metoprolol"; "Potassium Chloride" stays.
        """
        words = [word.strip("-") for word in NOT_PART_OF_THE_NAME.sub(" ", name.lower()).split()]
        words = [word for word in words if word and word not in self.forms]
        while len(words) > 1 and words[-1] in self.salts:
            words.pop()
        return self.brands.get(" ".join(words), self.brands.get(words[0], " ".join(words)) if words else "")


def diagnosis_category(code: pl.Expr, version: pl.Expr) -> pl.Expr:
    """ICD diagnoses to categories: "icd9:427", "icd9:E849", "icd10:I48"."""
    clean = _clean(code)
    length = pl.when((version == "9") & clean.str.starts_with("E")).then(4).otherwise(3)
    return pl.concat_str(pl.lit("icd"), version, pl.lit(":"), clean.str.slice(0, length))


def procedure_category(code: pl.Expr, version: pl.Expr) -> pl.Expr:
    """ICD procedures to the ICD-9 chapter's two digits or section, system and operation of ICD-10-PCS."""
    length = pl.when(version == "9").then(2).otherwise(3)
    return pl.concat_str(pl.lit("icd"), version, pl.lit("-procedure:"), _clean(code).str.slice(0, length))


def _clean(code: pl.Expr) -> pl.Expr:
    return code.str.strip_chars().str.replace_all(".", "", literal=True).str.to_uppercase()


def diagnosis_names(path: Path = DIAGNOSES) -> Mapping[str, list[str]]:
    """What people call ICD categories, in English and German, the title first.

    Raises:
        UserError: the file is missing or malformed.
    """
    try:
        return TypeAdapter(dict[str, list[str]]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError):
        raise UserError(f"{path} is missing or malformed: restore it from the repository.") from None
