"""PTB-XL's layout: `ptbxl_database.csv` beside WFDB records (PhysioNet 1.0.3). The virtual cohort has it too."""

import ast
import math
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import polars as pl
from polars.exceptions import PolarsError

from sediff.corpus.readers.base import RawRecord, Rejection
from sediff.errors import UserError

TABLE = "ptbxl_database.csv"
COLUMNS = ("ecg_id", "patient_id", "scp_codes", "filename_lr")
OLDEST = 89.0  # older and unknown ages are 300: a code, not an age
SEXES = {0: "male", 1: "female"}


class PtbXlReader:
    """Reads the 100 Hz records of a PTB-XL folder."""

    tables: ClassVar[tuple[str, ...]] = (TABLE,)

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.table = root / TABLE

    def records(self) -> tuple[list[RawRecord], list[Rejection]]:
        """See `Reader.records`."""
        records, rejections, seen = [], [], set()
        for number, row in enumerate(self._rows(), start=2):
            try:
                record = self._record(row)
                if record.record_id in seen:
                    raise ValueError(f"ecg_id {row['ecg_id']} stands twice")
            except (ValueError, TypeError, SyntaxError, ArithmeticError, RecursionError, MemoryError) as error:
                detail = f"{TABLE} line {number}: {error}"
                rejections.append(Rejection(self.name, f"{self.name}/line-{number}", TABLE, "bad_table_row", detail))
                continue
            seen.add(record.record_id)
            records.append(record)
        return records, rejections

    def _rows(self) -> list[dict[str, Any]]:
        if not self.table.is_file():
            raise UserError(f"{self.table} is missing: point the source at the folder that holds {TABLE}.")
        try:
            table = pl.read_csv(self.table, infer_schema_length=0)
        except (PolarsError, OSError) as error:
            first_line = str(error).splitlines()[0]
            raise UserError(
                f"{self.table} cannot be read as CSV in UTF-8 ({first_line}): mend or replace it."
            ) from None
        missing = [column for column in COLUMNS if column not in table.columns]
        if missing:
            raise UserError(f"{self.table} has no column {', '.join(missing)}: is it PTB-XL's table?")
        return table.to_dicts()

    def _record(self, row: dict[str, Any]) -> RawRecord:
        number = _integer(row, "ecg_id")
        codes = ast.literal_eval(row["scp_codes"] or "{}")
        if not isinstance(codes, dict):
            raise ValueError("scp_codes is no mapping")
        fold = row.get("strat_fold")
        return RawRecord(
            record_id=f"{self.name}/{number:05d}",
            patient_id=f"{self.name}/{_integer(row, 'patient_id'):05d}",
            source=self.name,
            path=_inside(row["filename_lr"]),
            recorded_at=(row.get("recording_date") or "").replace(" ", "T"),
            fold=None if fold in (None, "") else int(float(fold)),
            age=_age(row.get("age")),
            sex=None if row.get("sex") in (None, "") else SEXES.get(int(float(row["sex"]))),
            statements={str(code): float(likelihood) for code, likelihood in sorted(codes.items())},
            report=row.get("report") or "",
            human_validated=row.get("validated_by_human") == "True",
        )


def _integer(row: dict[str, Any], column: str) -> int:
    try:
        return int(float(row[column]))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{column} is {row[column]!r}, not a number") from None


def _age(text: str | None) -> float | None:
    age = float(text) if text else math.nan
    return age if 0 <= age <= OLDEST else None


def _inside(text: str | None) -> Path:
    """The record's path, refused if it could leave the source's folder."""
    path = PurePosixPath(text or "")
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in str(path) or "\0" in str(path):
        raise ValueError(f"filename_lr {text!r} is no path inside the source")
    return Path(path)
