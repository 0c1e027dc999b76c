"""The PhysioNet/CinC Challenges' layout (2020, 2021): `.hea` and `.mat`, SNOMED CT codes in the header's comments."""

from pathlib import Path

from sediff.corpus.readers.base import RawRecord
from sediff.corpus.readers.comments import person, recorded_at, snomed_codes
from sediff.corpus.readers.folders import FolderReader, first_header


class ChallengeReader(FolderReader):
    """Reads a Challenge's folder, nested or not."""

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`: by the first header, beside which a `.mat` lies."""
        header = first_header(root)
        return header is not None and (root / f"{header}.mat").is_file()

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
            suffix=".mat",
        )
