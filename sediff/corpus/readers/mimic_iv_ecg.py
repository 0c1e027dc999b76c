"""MIMIC-IV-ECG's layout (PhysioNet 1.0): `record_list.csv`, the machine's statements, nested folders of WFDB records.

`waveform_note_links.csv`, which leads to cardiologists' notes in another data set, is not needed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord, Rejection
from sediff.corpus.readers.tables import ROW_ERRORS, Row, inside, integer, read_records, read_rows

TABLE = "record_list.csv"
STATEMENTS = "machine_measurements.csv"
PATIENTS = "patients.csv"  # MIMIC-IV's own, where somebody put it here: MIMIC-IV-ECG tells neither age nor sex
COLUMNS = ("subject_id", "study_id", "ecg_time", "path")
OLDEST = 89  # MIMIC-IV's older patients all have the age of 91
SEXES = {"M": "male", "F": "female"}

Patient = tuple[str | None, int, int]  # sex, age in years, the year in which it was that


class MimicIvEcgReader:
    """Reads MIMIC-IV-ECG."""

    tables: ClassVar[tuple[str, ...]] = (TABLE, STATEMENTS, PATIENTS)
    ignored: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`."""
        return (root / TABLE).is_file() and (root / STATEMENTS).is_file()

    def records(self) -> Iterator[RawRecord | Rejection]:
        """See `Reader.records`."""
        statements, patients = Statements(self.root / STATEMENTS), _patients(self.root / PATIENTS)

        def record(row: Row) -> RawRecord:
            study, patient = integer(row, "study_id"), integer(row, "subject_id")
            sex, age = _person(patients.get(patient), row["ecg_time"])
            return RawRecord(
                record_id=f"{self.name}/{study}",
                patient_id=f"{self.name}/{patient}",
                source=self.name,
                path=inside(row["path"]),
                recorded_at=row["ecg_time"].replace(" ", "T"),
                age=age,
                sex=sex,
                lines=statements.of(study),
                rate=500,
            )

        return read_records(self.name, self.root / TABLE, COLUMNS, record)


class Statements:
    """The machine's statements by study, from a table that is read once, side by side with the list of records.

    Where both tables are in one order, as published, nothing waits. Where they are not, what was passed waits, each
    sentence held once in memory: 800,000 studies take 250 MB.
    """

    def __init__(self, path: Path) -> None:
        self._rows = _statements(path)
        self._waiting: dict[int, tuple[str, ...]] = {}

    def of(self, study: int) -> tuple[str, ...]:
        """Statements of one study, once; none where the table has no such study."""
        if study in self._waiting:
            return self._waiting.pop(study)
        for number, lines in self._rows:
            if number == study:
                return lines
            self._waiting[number] = lines
        return ()


def _statements(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Study and sentences of each row that has a study; report_0, report_1, … in their order."""
    columns: list[str] = []
    for _, row in read_rows(path, ("study_id", "report_0")):
        if row is not None and row["study_id"].isdecimal():
            columns = columns or sorted((name for name in row if name.startswith("report_")), key=_position)
            yield int(row["study_id"]), tuple(sys.intern(row[name]) for name in columns if row[name])


def _position(column: str) -> int:
    digits = column.removeprefix("report_")
    return int(digits) if digits.isdecimal() else sys.maxsize


def _patients(path: Path) -> dict[int, Patient]:
    """Sex and age of each patient, where the table is there; a row without them is left out."""
    if not path.is_file():
        return {}
    found: dict[int, Patient] = {}
    for _, row in read_rows(path, ("subject_id", "gender", "anchor_age", "anchor_year")):
        try:
            if row is not None:
                person = SEXES.get(row["gender"]), integer(row, "anchor_age"), integer(row, "anchor_year")
                found[integer(row, "subject_id")] = person
        except ROW_ERRORS:
            continue
    return found


def _person(patient: Patient | None, time: str) -> tuple[str | None, float | None]:
    """Sex, and the age in the year of the recording."""
    if patient is None:
        return None, None
    sex, age, year = patient
    if age > OLDEST or not time[:4].isdecimal():
        return sex, None
    age += int(time[:4]) - year
    return sex, float(age) if 0 <= age <= 120 else None
