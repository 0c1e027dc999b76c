"""The PhysioNet/CinC Challenges' layout (2020, 2021): `.hea` and `.mat`, SNOMED CT codes in the header's comments."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord, Rejection
from sediff.corpus.readers.comments import person, read_header, recorded_at, snomed_codes
from sediff.corpus.readers.folders import find_headers, first_header


class ChallengeReader:
    """Reads a Challenge's folder, nested or not; each record is a patient."""

    tables: ClassVar[tuple[str, ...]] = ()
    ignored: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`: by the first header, beside which a `.mat` lies."""
        header = first_header(root)
        return header is not None and (root / f"{header}.mat").is_file()

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
            suffix=".mat",
        )
