"""Patients and records that were withdrawn: `knowledge/exclusions.yaml` has keyed hashes of their ids and raw files.

The corpus leaves them out, and the scan leaves their files out of the inventories, so that nothing here names them. The
hashes are pseudonyms (`sediff/pseudonyms.py`) under a key of their own, which a team keeps as it keeps that one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sediff.errors import UserError
from sediff.files import replacing
from sediff.pseudonyms import identifier_of, keyed, make_key, read_key

FILE = Path("knowledge/exclusions.yaml")
KEY = Path(".sediff/exclusion.key")
VARIABLE = "SEDIFF_EXCLUSION_KEY"
PATIENT, RECORD, RAW_FILE = "patient", "record", "file"  # what a hash is of
HEAD = """\
# Whom `sediff withdraw` left out: HMACs of ids and raw files, under the key of this identifier.
"""


@dataclass(frozen=True)
class Exclusions:
    """What is left out."""

    hashes: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def has(self, kind: str, name: str) -> bool:
        """Whether a patient, a record, or a file as `source/path` was withdrawn."""
        return bool(self.hashes) and self._hash(kind, name) in self.hashes

    def leaves_out(self, record_id: str, patient_id: str = "") -> bool:
        """Whether a record is left out, for itself or for its patient."""
        return self.has(RECORD, record_id) or self.has(PATIENT, patient_id)

    def _hash(self, kind: str, name: str) -> str:
        return keyed(self.key, f"{kind} {name}")

    def hashed(self, names: Iterable[tuple[str, str]]) -> set[str]:
        """Hashes of names, each with its kind."""
        return {self._hash(kind, name) for kind, name in names}


NOBODY = Exclusions()


def read_exclusions(root: Path = Path(), key_of: Path | None = None) -> Exclusions:
    """What a project leaves out; nothing, and no key is needed, where nobody was withdrawn.

    Args:
        key_of: the folder whose key it is, if another than `root`.

    Raises:
        UserError: the file is malformed, or its key is not here.
    """
    said = _read(root / FILE)
    if not said["withdrawn"]:
        return NOBODY
    file = (key_of or root) / KEY
    key = read_key(file, VARIABLE)
    if key is None or identifier_of(key) != said["key"]:
        raise UserError(
            f"{file} is {'missing' if key is None else 'another key'}: {FILE} was written with the key {said['key']}; "
            f"get it from your team, or put it into {VARIABLE}."
        )
    return Exclusions(frozenset(said["withdrawn"]), key)


def add_exclusions(root: Path, names: Iterable[tuple[str, str]]) -> tuple[Exclusions, bool]:
    """Withdraw names, each with its kind; all that is left out now, and whether a key was made for it.

    Raises:
        UserError: see `read_exclusions`.
    """
    known = read_exclusions(root)
    key = known.key or read_key(root / KEY, VARIABLE)
    new = key is None
    key = key or make_key(root / KEY)
    own = Exclusions(frozenset(known.hashes), key)
    own = Exclusions(own.hashes | own.hashed(names), key)
    said = {"key": identifier_of(key), "withdrawn": sorted(own.hashes)}
    with replacing(root / FILE) as temporary:
        temporary.write_text(HEAD + yaml.safe_dump(said), encoding="utf-8")
    return own, new


def _read(path: Path) -> Mapping[str, Any]:
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {"key": "", "withdrawn": []}
        if set(said) != {"key", "withdrawn"} or not all(isinstance(name, str) for name in said["withdrawn"]):
            raise ValueError("other keys")
    except (OSError, ValueError, TypeError, yaml.YAMLError):
        raise UserError(f"{path} is malformed: restore it from git; `sediff withdraw` alone writes it.") from None
    return said
