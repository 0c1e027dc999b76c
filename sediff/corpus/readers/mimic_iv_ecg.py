"""MIMIC-IV-ECG's layout (PhysioNet 1.0): `record_list.csv`, the machine's statements, nested folders of WFDB records.

`waveform_note_links.csv`, which leads to cardiologists' notes in another data set, is not needed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.ondisk import OnDisk
from sediff.corpus.readers.base import RawRecord, Reader, Rejection
from sediff.corpus.readers.tables import ROW_ERRORS, Row, bad_row, inside, integer, read_records, read_rows

TABLE = "record_list.csv"
STATEMENTS = "machine_measurements.csv"
PATIENTS = "patients.csv"  # MIMIC-IV's own, where somebody put it here: MIMIC-IV-ECG tells neither age nor sex
COLUMNS = ("subject_id", "study_id", "ecg_time", "path")
OLDEST = 89  # MIMIC-IV's older patients all have the age of 91
SEXES = {"M": "male", "F": "female"}

Patient = tuple[str | None, int | None, int | None]  # sex, age in years, the year in which it was that


class MimicIvEcgReader(Reader):
    """Reads MIMIC-IV-ECG; the tables are joined on disk, in whatever order they are."""

    tables: ClassVar[tuple[str, ...]] = (TABLE, STATEMENTS, PATIENTS)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`."""
        return (root / TABLE).is_file() and (root / STATEMENTS).is_file()

    def records(self) -> Iterator[RawRecord | Rejection]:
        """See `Reader.records`."""
        measured, patients = OnDisk(), _patients(self.root / PATIENTS)
        yield from self._measurements(measured)

        def record(row: Row) -> RawRecord:
            study, patient = integer(row, "study_id"), integer(row, "subject_id")
            sex, age = _person(patients.get(patient), row["ecg_time"])
            cart, statements = measured.get(study) or ("", [])
            return RawRecord(
                record_id=f"{self.name}/{study}",
                patient_id=f"{self.name}/{patient}",
                source=self.name,
                path=inside(row["path"]),
                recorded_at=row["ecg_time"].replace(" ", "T"),
                age=age,
                sex=sex,
                lines=tuple(statements),
                device=cart,
                rate=500,
            )

        yield from read_records(self.name, self.root / TABLE, COLUMNS, record)

    def _measurements(self, kept: OnDisk) -> Iterator[Rejection]:
        """Keep each study's cart and its sentences, report_0, report_1, … in their order.

        Gives the rows that cannot be used.
        """
        path, columns = self.root / STATEMENTS, list[str]()
        for number, row in read_rows(path, ("study_id", "report_0")):
            try:
                if row is None:
                    raise ValueError("too few or too many cells")
                columns = columns or sorted((name for name in row if name.startswith("report_")), key=_position)
                study = integer(row, "study_id")
                if not kept.add(study, (row.get("cart_id", ""), [row[name] for name in columns if row[name]])):
                    raise ValueError(f"study {study} stands twice, and its first row counts")
            except ROW_ERRORS as error:
                yield bad_row(self.name, f"{path.stem}-line-{number}", path, number, error)


def _position(column: str) -> int:
    digits = column.removeprefix("report_")
    return int(digits) if digits.isdecimal() else sys.maxsize


def _patients(path: Path) -> OnDisk:
    """Sex and age of each patient, where the table is there; what a row does not say stays unknown."""
    found = OnDisk()
    if path.is_file():
        for _, row in read_rows(path, ("subject_id", "gender", "anchor_age", "anchor_year")):
            if row is not None and (patient := _number(row, "subject_id")) is not None:
                found.add(patient, (SEXES.get(row["gender"]), _number(row, "anchor_age"), _number(row, "anchor_year")))
    return found


def _number(row: Row, column: str) -> int | None:
    try:
        return integer(row, column)
    except ValueError:
        return None


def _person(patient: Patient | None, time: str) -> tuple[str | None, float | None]:
    """Sex, and the age in the year of the recording."""
    sex, age, year = patient or (None, None, None)
    if age is None or year is None or age > OLDEST or not time[:4].isdecimal():
        return sex, None
    age += int(time[:4]) - year
    return sex, float(age) if 0 <= age <= 120 else None
