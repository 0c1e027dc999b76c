"""LUDB's layout (PhysioNet 1.0.1): `data/<n>.{hea,dat}` at 500 Hz; age, sex and diagnoses are comments of the header.

The headers' gains are no calibration: they scale each lead of each record to a range of 1 mV, and the limb leads then
contradict each other by 0.1 to 1 mV. The samples as they are fulfil the identities to half a unit, and their ranges
are those of PTB-XL if a unit is 1 µV (medians of 1.1 mV in II, 2.3 mV in V4). So that is the gain here, a repair.

The delineations (`data/<n>.i`, …) are not read here: `benchmarks/delineation.py` scores the project's own by them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord, Rejection
from sediff.corpus.readers.comments import lines_after, person, read_header
from sediff.corpus.readers.folders import find_headers

TABLE = "ludb.csv"
GAIN = 1000  # units of the ADC a mV


class LudbReader:
    """Reads LUDB; each record is a patient."""

    tables: ClassVar[tuple[str, ...]] = (TABLE,)
    ignored: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See `Reader.recognises`."""
        return (root / TABLE).is_file() and (root / "data").is_dir()

    def records(self) -> Iterator[RawRecord | Rejection]:
        """See `Reader.records`."""
        for found in find_headers(self.name, self.root, "data"):
            yield found if isinstance(found, Rejection) else self._record(found)

    def _record(self, path: Path) -> RawRecord:
        _, comments = read_header(self.root / f"{path}.hea")
        age, sex = person(comments)
        record_id = f"{self.name}/{path.relative_to('data').as_posix()}"
        lines = tuple(lines_after(comments, "<diagnoses>"))
        return RawRecord(record_id, record_id, self.name, path, age=age, sex=sex, lines=lines, rate=500, gain=GAIN)
