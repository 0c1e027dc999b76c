"""PTB-XL's layout: `ptbxl_database.csv` beside WFDB records (PhysioNet 1.0.3). The virtual cohort has it too."""

import ast
import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord, Reader, Rejection
from sediff.corpus.readers.tables import Row, inside, integer, read_records

TABLE = "ptbxl_database.csv"
OLDEST = 89.0  # older and unknown ages are 300: a code, not an age
SEXES = {0: "male", 1: "female"}


class PtbXlReader(Reader):
    """Reads the 100 Hz records of a PTB-XL folder."""

    tables: ClassVar[tuple[str, ...]] = (TABLE,)
    ignored: ClassVar[frozenset[str]] = frozenset({"records500"})
    corpus: ClassVar[str] = "PTB-XL"
    folder: ClassVar[str] = "records100"
    column: ClassVar[str] = "filename_lr"
    rate: ClassVar[float] = 100

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`; a folder with the other rate's records only is the other reader's."""
        others = any((root / name).is_dir() for name in cls.ignored)
        return (root / TABLE).is_file() and ((root / cls.folder).is_dir() or not others)

    def records(self) -> Iterator[RawRecord | Rejection]:
        """See `Reader.records`."""
        columns = ("ecg_id", "patient_id", "scp_codes", self.column)
        return read_records(self.name, self.root / TABLE, columns, self._record)

    def _record(self, row: Row) -> RawRecord:
        sex, fold = row.get("sex"), row.get("strat_fold")
        return RawRecord(
            record_id=f"{self.name}/{integer(row, 'ecg_id'):05d}",
            patient_id=f"{self.name}/{integer(row, 'patient_id'):05d}",
            source=self.name,
            path=inside(row[self.column]),
            recorded_at=row.get("recording_date", "").replace(" ", "T"),
            fold=integer(row, "strat_fold") if fold else None,
            age=_age(row.get("age", "")),
            sex=SEXES.get(integer(row, "sex")) if sex else None,
            scp=_codes(row["scp_codes"]),
            report=row.get("report", ""),
            axis=row.get("heart_axis", ""),
            stages=tuple(filter(None, (row.get(f"infarction_stadium{n}", "") for n in (1, 2)))),
            human_validated=row.get("validated_by_human") == "True",
            site=row.get("site", "").removesuffix(".0"),
            device=" ".join(row.get("device", "").split()),
            rate=self.rate,
        )


class PtbXl500Reader(PtbXlReader):
    """Reads the 500 Hz records of a PTB-XL folder."""

    ignored: ClassVar[frozenset[str]] = frozenset({"records100"})
    folder: ClassVar[str] = "records500"
    column: ClassVar[str] = "filename_hr"
    rate: ClassVar[float] = 500


def _codes(text: str) -> dict[str, float]:
    """`{'NORM': 100.0, 'SR': 0.0}`, sorted by code."""
    codes = ast.literal_eval(text or "{}")
    if not isinstance(codes, dict):
        raise ValueError("scp_codes is no mapping")
    likelihoods = {str(code): float(likelihood) for code, likelihood in codes.items()}
    if not all(math.isfinite(likelihood) for likelihood in likelihoods.values()):
        raise ValueError("scp_codes holds a likelihood that is no number")
    return dict(sorted(likelihoods.items()))


def _age(text: str) -> float | None:
    """In years; a word is no age either."""
    try:
        age = float(text)
    except ValueError:
        return None
    return age if 0 <= age <= OLDEST else None
