"""Whom judges were trained on, so that figures of other patients can be told from figures of the same.

`training.json` stands beside the judges: share, folds, and the patients. In `data/` those have their own ids, like all
there; in `judges/`, which leaves, patients of restricted sources have pseudonyms.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sediff.errors import UserError
from sediff.files import read_json, write_json
from sediff.pseudonyms import Pseudonyms, identifier_of
from sediff.section import Items, Section

TRAINING = "training.json"


class Training(Section):
    """What is known of the judges' training.

    Attributes:
        judges_share: of the training patients that were the judges'.
        folds: of the sources that have folds, those that were trained on.
        restricted: sources whose patients' ids may not leave.
        pseudonym_key: identifier of the key of those patients' pseudonyms; "" where all have their own ids.
        count: of the patients.
        patients: ids, sorted.
    """

    schema_version: int = 1
    judges_share: float
    folds: Items[int] = ()
    restricted: Items[str] = ()
    pseudonym_key: str = ""
    count: int
    patients: Items[str]

    @classmethod
    def of(cls, corpus: Path, judges_share: float, patients: Iterable[str]) -> "Training":
        """That of judges which these patients of a corpus were taken for."""
        manifest, ids = corpus / "manifest.json", tuple(sorted(set(patients)))
        said: dict[str, Any] = read_json(manifest)["parameters"]["corpus"] if manifest.is_file() else {}
        return cls(
            judges_share=judges_share,
            folds=said.get("folds", {}).get("train", ()),
            restricted=tuple(s["name"] for s in said.get("sources", ()) if s["sharing"] == "restricted"),
            count=len(ids),
            patients=ids,
        )

    @classmethod
    def read(cls, folder: Path) -> "Training":
        """What stands beside the judges in a folder.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            return cls.model_validate(read_json(folder / TRAINING))
        except (OSError, ValueError, ValidationError):
            raise UserError(
                f"{folder / TRAINING} is missing or damaged: restore it with `dvc checkout`, or run its stage again."
            ) from None

    def write(self, folder: Path) -> None:
        """Write it beside the judges."""
        write_json(folder / TRAINING, self.model_dump(mode="json"))

    def published(self, pseudonyms: Pseudonyms) -> "Training":
        """The same as it may leave; what has pseudonyms already keeps them."""
        if self.pseudonym_key or not any(map(pseudonyms.hides, self.patients)):
            return self
        patients = tuple(sorted(map(pseudonyms.of, self.patients)))
        return self.model_copy(update={"pseudonym_key": identifier_of(pseudonyms.key), "patients": patients})

    def seen(self, patients: Iterable[str], pseudonyms: Pseudonyms) -> int | None:
        """How many of these patients are among those; None where pseudonyms are under another key."""
        if self.pseudonym_key and (not pseudonyms.key or identifier_of(pseudonyms.key) != self.pseudonym_key):
            return None
        known = set(self.patients)
        return sum(patient in known or pseudonyms.of(patient) in known for patient in set(patients))
