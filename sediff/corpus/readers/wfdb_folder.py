"""A plain folder of WFDB records, nested or not: what is known of them stands in the comments of their headers."""

from pathlib import Path

from sediff.corpus.readers.base import RawRecord
from sediff.corpus.readers.comments import person, recorded_at, snomed_codes, statements
from sediff.corpus.readers.folders import FolderReader, first_header


class WfdbReader(FolderReader):
    """Reads every `.hea` below a folder."""

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`."""
        return first_header(root) is not None

    def described(self, record_id: str, path: Path, lines: list[str], comments: list[str]) -> RawRecord:
        """See `FolderReader.described`."""
        age, sex = person(comments)
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
