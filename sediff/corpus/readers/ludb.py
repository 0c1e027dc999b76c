"""LUDB's layout (PhysioNet 1.0.1): `data/<n>.{hea,dat}` at 500 Hz; age, sex and diagnoses are comments of the header.

The headers' gains are no calibration: they scale each lead of each record to a range of 1 mV, and the limb leads then
contradict each other by 0.1 to 1 mV. The samples as they are fulfil the identities to half a unit, and their ranges
are those of PTB-XL if a unit is 1 µV (medians of 1.1 mV in II, 2.3 mV in V4). So that is the gain here, a repair.

The delineations (`data/<n>.i`, …) are not read here: `benchmarks/delineation.py` scores the project's own by them.
"""

from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord
from sediff.corpus.readers.comments import lines_after, person
from sediff.corpus.readers.folders import FolderReader

TABLE = "ludb.csv"
GAIN = 1000  # units of the ADC a mV


class LudbReader(FolderReader):
    """Reads LUDB."""

    tables: ClassVar[tuple[str, ...]] = (TABLE,)
    folder: ClassVar[str] = "data"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`."""
        return (root / TABLE).is_file() and (root / cls.folder).is_dir()

    def described(self, record_id: str, path: Path, lines: list[str], comments: list[str]) -> RawRecord:
        """See `FolderReader.described`."""
        age, sex = person(comments)
        said = tuple(lines_after(comments, "<diagnoses>"))
        return RawRecord(record_id, record_id, self.name, path, age=age, sex=sex, lines=said, rate=500, gain=GAIN)
