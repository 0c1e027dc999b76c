"""Keyed pseudonyms: what ids of restricted sources are called in rows that leave the project.

A pseudonym is an HMAC of the id, so nobody without the key can tell it from chance or try out ids that are easy to
guess, and whoever has the key and the corpus can trace it back. One key serves a team. It stands in a clone's own
`.sediff/`, or in the environment, and never in git, DVC or params.yaml. What params.yaml has is the key's identifier,
an HMAC too: a stage that writes pseudonyms depends on it as on any parameter, so its fingerprint names the key and DVC
reruns it under another one, and a clone that holds another key is refused instead of quietly giving other bytes.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from sediff.errors import UserError

FILE = Path(".sediff/pseudonym.key")
VARIABLE = "SEDIFF_PSEUDONYM_KEY"
BYTES = 32  # of a key, which is written as hex
DIGITS = 16  # hex, of a pseudonym: two of a million records are alike with probability 3e-8
IDENTIFIED = "sediff pseudonym key"  # no id: those have a slash


@dataclass(frozen=True)
class Pseudonyms:
    """How records are called outside: those of `restricted` sources by pseudonym, all others as they are.

    A record's id begins with its source's name and a slash, and so does its pseudonym.
    """

    restricted: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.restricted and len(self.key) != BYTES:
            raise ValueError(f"pseudonyms of restricted sources need a key of {BYTES} bytes")

    def hides(self, record_id: str) -> bool:
        """Whether the record is of a restricted source."""
        return record_id.partition("/")[0] in self.restricted

    def of(self, record_id: str) -> str:
        """The id under which a record may leave."""
        source = record_id.partition("/")[0]
        return f"{source}/{keyed(self.key, record_id)}" if self.hides(record_id) else record_id

    def rows(self, records: pl.DataFrame) -> pl.DataFrame:
        """Rows of the corpus under the ids by which exported rows call them."""
        ids = [self.of(record_id) for record_id in records["record_id"]]
        return records.with_columns(record_id=pl.Series(ids, dtype=pl.String))


def keyed(key: bytes, text: str) -> str:
    """Hex digits that depend on the text and the key, and tell neither."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def identifier_of(key: bytes) -> str:
    """What params.yaml calls a key."""
    return keyed(key, IDENTIFIED)


def read_pseudonyms(restricted: Iterable[str], identifier: str, file: Path = FILE) -> Pseudonyms:
    """The pseudonyms of this clone; no key is needed where no source is restricted.

    Args:
        restricted: names of the restricted sources.
        identifier: of the key that params.yaml asks for.

    Raises:
        UserError: params.yaml names no key, or this clone has none, a malformed or another one.
    """
    names = frozenset(restricted)
    if not names:
        return Pseudonyms()
    if not identifier:
        raise UserError(
            f"Source {min(names)} is restricted, but pseudonyms.key of params.yaml names no key: run `sediff configure "
            "--corpus PATH --sharing restricted`, which makes one."
        )
    return Pseudonyms(names, _wanted_key(identifier, file))


def keep_key(identifier: str, file: Path = FILE) -> tuple[str, bool]:
    """Make a key where there is none and params.yaml names none.

    Args:
        identifier: of the key that params.yaml asks for; "" where it names none.

    Returns:
        The identifier of this clone's key, and whether the key is new.

    Raises:
        UserError: params.yaml names a key that is not this clone's, or this clone's is malformed.
    """
    if identifier:
        return identifier_of(_wanted_key(identifier, file)), False
    known = read_key(file)
    return identifier_of(known or make_key(file)), known is None


def read_key(file: Path = FILE, variable: str = VARIABLE) -> bytes | None:
    """The key in the environment or else in the file; None where neither has one.

    Args:
        variable: of the environment.

    Raises:
        UserError: what is there is no key.
    """
    stated = os.environ.get(variable)
    if not stated and not file.exists():
        return None
    try:
        text = stated or file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    if not re.fullmatch(f"[0-9a-f]{{{2 * BYTES}}}", text.strip()):
        raise UserError(
            f"{variable if stated else file} holds no {file.stem} key, which is {2 * BYTES} hex digits: "
            "get the key from your team again."
        )
    return bytes.fromhex(text.strip())


def _wanted_key(identifier: str, file: Path) -> bytes:
    key = read_key(file)
    if key is None:
        raise UserError(
            f"{file} is missing, the pseudonym key {identifier} that params.yaml names: get it from your team, or put "
            f"it into {VARIABLE}."
        )
    if identifier_of(key) != identifier:
        raise UserError(
            f"This clone's pseudonym key {identifier_of(key)} is not the one that the data was made with, {identifier} "
            f"in params.yaml: put that one into {file}, or empty pseudonyms.key and configure the source again."
        )
    return key


def make_key(file: Path) -> bytes:
    """A key that only this user may read."""
    key = secrets.token_bytes(BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{key.hex()}\n")
    return key
