"""What people curate of a statement, read from YAML."""

from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import ValidationError

from sediff.errors import UserError
from sediff.section import Items, Section

STATEMENTS = Path("knowledge/statements.yaml")
Kind = Literal["diagnostic", "form", "rhythm"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Superclass = Literal["NORM", "MI", "STTC", "CD", "HYP"]
SUPERCLASSES: tuple[Superclass, ...] = get_args(Superclass)


class Statement(Section):
    """One statement of the vocabulary.

    Attributes:
        origin: "scp" for those of SCP-ECG that PTB-XL uses, "challenge" for those that only the Challenges scored.
        superclass, subclass: PTB-XL's; None for those that are not diagnostic, or that PTB-XL does not have.
        snomed: SNOMED CT codes that mean this statement or a kind of it.
    """

    code: str
    name: str
    kinds: Items[Kind]
    origin: Literal["scp", "challenge"] = "scp"
    superclass: Superclass | None = None
    subclass: str | None = None
    synonyms: Items[str] = ()
    synonyms_de: Items[str] = ()
    synonyms_sv: Items[str] = ()
    snomed: Items[str] = ()

    @property
    def phrases(self) -> tuple[str, ...]:
        """The name and all synonyms."""
        return (self.name, *self.synonyms, *self.synonyms_de, *self.synonyms_sv)


def read_statements(path: Path) -> list[Statement]:
    """The statements of a YAML mapping, code to what is known of it.

    Raises:
        UserError: the file is missing, is not YAML, or a statement is malformed.
    """
    try:
        return [Statement(code=code, **row) for code, row in read_yaml(path).items()]
    except (ValidationError, TypeError) as error:
        raise UserError(f"{path} is malformed: {str(error).splitlines()[0]}.") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """A curated file.

    Raises:
        UserError: the file is missing, is not YAML or holds no mapping.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: restore it from the repository.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UserError(f"{path} is not valid YAML in UTF-8: mend it or restore it from the repository.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no mapping: restore it from the repository.")
    return content
