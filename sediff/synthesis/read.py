"""Requests from files: YAML, a list of parts or one; or Parquet, a row for each condition, read as it is needed."""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError

from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.records import READING
from sediff.synthesis.plan import Plan, Planner
from sediff.synthesis.request import RequestRow
from sediff.synthesis.schema import (
    KINDS,
    LIMITS,
    MOST,
    OUTSIDE,
    PARTS,
    UP_TO,
    DrawnRequest,
    FillRequest,
    Part,
    PromptRequest,
    Spread,
    place_of,
)
from sediff.vocabulary import Vocabulary

TABLES = (".parquet", ".pq")
ROWS_AT_ONCE = 4096
KEYS, RECORDS = tuple(PromptRequest.model_fields), "records"
ROWS = (KINDS[PromptRequest], KINDS[DrawnRequest])
KEYS_OF = {tag: (*kind.model_fields,) for kind, tag in KINDS.items()} | dict.fromkeys(ROWS, (*KEYS, "like", "fill"))
LONGEST_PART = 60  # characters of a key that are told: of shares of texts it is a text
OUTSIDE_OF = {"greater_than_equal", "less_than_equal", "finite_number"}  # types of faults of a number with limits
# What is allowed, by pydantic's type of a fault, with what pydantic knows of it.
ALLOWED = {
    "missing": "it is missing, and must be given",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "write a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "write a number"),
    "greater_than": "write a number above {gt:g}",
    "greater_than_equal": "write a number of at least {ge:g}",
    "less_than_equal": "write a number of at most {le:g}",
    "literal_error": "write {expected}",
    "string_type": "write a text",
    "too_long": "it may have {max_length} characters at most",
    "too_short": "write at least one entry",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "write keys with values, {{key: value}}"),
    **dict.fromkeys(("list_type", "tuple_type"), "write a list, [one, other]"),
}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        parts: as in params.yaml; none where it is a table.
        table: a Parquet file with a row for each condition.
        digest: hash of all of it.
    """

    parts: tuple[Part, ...]
    table: Path | None
    digest: str

    @classmethod
    def of(cls, parts: Sequence[Part], vocabulary: Vocabulary, where: str) -> "Request":
        """A request of the parts that stand in `where`.

        Raises:
            UserError: a statement is none of the vocabulary's.
        """
        for number, part in enumerate(parts, start=1):
            _check_codes(part, vocabulary, f"{where}: row {number}")
        _check_size(where, sum(part.records for part in parts if not isinstance(part, FillRequest)))
        return cls(tuple(parts), None, sha256_json([part.model_dump(mode="json") for part in parts]))

    def plan(self, planner: Planner) -> Plan:
        """Its rows."""
        return planner.request(self.parts) if self.table is None else Plan([TableRows(self.table, planner)])


def read_request(path: Path, vocabulary: Vocabulary) -> Request:
    """Read and check a request; of a table every row is checked and none is kept.

    Raises:
        UserError: names the file, the row and the key.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is {'a folder' if path.is_dir() else 'missing'}: name a request, a YAML or Parquet file."
        )
    if path.suffix.lower() in TABLES:
        rows = records = 0
        for rows, values in enumerate(_checked_rows(path), start=1):
            where = f"{path}: row {rows}"
            part = _prompt(values, where)
            _check_codes(part, vocabulary, where)
            records += part.records
        _check_size(str(path), records)
        if not rows:
            raise UserError(f"{path} has no row: say what to make.")
        return Request((), path.resolve(), sha256_file(path))
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except RecursionError:
        raise UserError(f"{path} is nested too deeply: write a list of rows.") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no YAML ({' '.join(str(error).split())}): mend it.") from None
    if not value or not isinstance(value, dict | list):
        raise UserError(f"{path} has no row: say what to make, such as `- {{text: atrial fibrillation, records: 8}}`.")
    try:
        parts = PARTS.validate_python([value] if isinstance(value, dict) else value)
    except ValidationError as error:
        number, *place = error.errors()[0]["loc"]
        raise UserError(f"{path}: row {int(number) + 1}{_fault(error, tuple(place))}") from None
    return Request.of(parts, vocabulary, str(path))


class _Loader(yaml.SafeLoader):
    """YAML as it is, but that a key may not stand twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f"{twice} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _check_size(where: str, records: int) -> None:
    if records > MOST:
        raise UserError(f"{where} asks for {records:,} records: ask for at most {MOST:,} at once.")


class TableRows:
    """The conditions of a table, of which only the rows that are needed are held."""

    def __init__(self, path: Path, planner: Planner) -> None:
        self._table, self._ask = pl.scan_parquet(path), planner.ask
        counts = pl.read_parquet(path, columns=[RECORDS])[RECORDS] if RECORDS in _columns(path) else None
        length = pq.read_metadata(path).num_rows
        self._ends = None if counts is None else np.cumsum(counts.fill_null(1).to_numpy())
        self.records = length if self._ends is None else int(self._ends[-1])

    def rows(self, positions: range, indices: range) -> list[RequestRow]:
        """See `plan.Rows`."""
        places = np.arange(positions.start, positions.stop)
        numbers = places if self._ends is None else np.searchsorted(self._ends, places, side="right")
        first = int(numbers[0])
        found = self._table.slice(first, int(numbers[-1]) - first + 1).collect().to_dicts()
        asked = [self._ask(_prompt(values, "")) for values in found]
        return [asked[number - first] for number in numbers]


def _columns(path: Path) -> list[str]:
    try:
        return pq.read_schema(path).names
    except READING as error:
        raise UserError(f"{path} is no Parquet ({' '.join(str(error).split())}): write it again.") from None


def _checked_rows(path: Path) -> Iterator[dict[str, Any]]:
    names = _columns(path)
    unknown = next((name for name in names if name not in KEYS), None)
    if unknown:
        raise UserError(f"{path}: there is no column {unknown}: the columns are {', '.join(KEYS)}.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"{path} has the column {twice} more than once: leave one.")
    if RECORDS in names and not pa.types.is_integer(kind := pq.read_schema(path).field(RECORDS).type):
        raise UserError(f"{path}: the column {RECORDS} is of {kind}: write whole numbers in it, or leave it out.")
    with pq.ParquetFile(path) as file:
        try:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield from batch.to_pylist()
        except READING:
            raise UserError(f"{path} is damaged: write it again.") from None


def _prompt(values: Mapping[str, Any], where: str) -> PromptRequest:
    known = {name: value for name, value in values.items() if value is not None}
    if isinstance(known.get("statements"), str):
        known["statements"] = known["statements"].split()
    try:
        return PromptRequest.model_validate(known)
    except ValidationError as error:
        raise UserError(f"{where}{_fault(error, error.errors()[0]['loc'])}") from None


def _fault(error: ValidationError, place: tuple[Any, ...]) -> str:
    """The first fault, after the row: ", age: write a number from 0 to 120 (it is 'old')."."""
    first = error.errors()[0]
    kind, name = first["type"], place_of(tuple(shorten(str(part), LONGEST_PART, placeholder="...") for part in place))
    if kind == "extra_forbidden":
        keys = KEYS_OF.get(place[0], KEYS) if "." not in name else tuple(Spread.model_fields)
        return f" has {name}, which is no key there: the keys are {', '.join(keys)}."
    message = ALLOWED[kind].format(**first.get("ctx", {})) if kind in ALLOWED else first["msg"]
    message = message.removeprefix("Value error, ")
    if kind in OUTSIDE_OF and not name.endswith(".sd") and (limits := LIMITS.get(name.partition(".")[0])):
        message = OUTSIDE.format(*limits)
    elif kind == "float_type" and name in LIMITS:
        message += " from {} to {}".format(*LIMITS[name])
    value = first["input"]
    shown = "" if isinstance(value, dict | list) or kind == "value_error" else f" (it is {reprlib.repr(value)})"
    return f"{f', {name}' if name else ''}: {message[:1].lower()}{message[1:]}{shown}."


def _check_codes(part: Part, vocabulary: Vocabulary, where: str) -> None:
    """Refuse a statement that the vocabulary does not have.

    Raises:
        UserError: names the row, the key and the code.
    """
    key, codes = "fill", []
    if isinstance(part, FillRequest):
        codes = [code for code in part.fill if code != UP_TO]
    elif isinstance(part, PromptRequest | DrawnRequest):
        drawn = isinstance(part.statements, Mapping)  # whose keys may hold several
        key, codes = "statements", [code for text in part.statements for code in (text.split() if drawn else [text])]
    unknown = next((code for code in codes if not vocabulary.known(code)), None)
    if unknown:
        raise UserError(f"{where}, {key}: {unknown} is no statement of the vocabulary, knowledge/statements.yaml.")
