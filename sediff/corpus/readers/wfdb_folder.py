"""A plain folder of WFDB records, nested or not: what is known of them stands in the comments of their headers."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord, Rejection
from sediff.corpus.readers.comments import person, read_header, recorded_at, snomed_codes, statements
from sediff.corpus.readers.folders import find_headers, first_header


class WfdbReader:
    """Reads every `.hea` below a folder; each record is a patient, its id the path."""

    tables: ClassVar[tuple[str, ...]] = ()
    ignored: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`."""
        return first_header(root) is not None

    def records(self) -> Iterator[RawRecord | Rejection]:
        """See `Reader.records`."""
        for found in find_headers(self.name, self.root):
            yield found if isinstance(found, Rejection) else self._record(found)

    def _record(self, path: Path) -> RawRecord:
        lines, comments = read_header(self.root / f"{path}.hea")
        age, sex = person(comments)
        record_id = f"{self.name}/{path.as_posix()}"
        return RawRecord(
            record_id=record_id,
            patient_id=record_id,
            source=self.name,
            path=path,
            recorded_at=recorded_at(lines),
            age=age,
            sex=sex,
            snomed=snomed_codes(comments),
            lines=statements(comments),
            suffix=".mat" if lines[1:] and lines[1].split()[0].endswith(".mat") else ".dat",
        )
