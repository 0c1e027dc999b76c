"""What a reader gives: the description of each record, without its signal."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

MAX_HEADER = 1 << 20  # bytes
ReadHeader = Callable[[str], bytes]  # the content of a header by its path, relative to the source's root


@dataclass(frozen=True)
class RawRecord:
    """One recording as its source describes it; what it says is mapped to the project's statements later.

    Attributes:
        record_id: `<source>/<id>`, unique.
        patient_id: `<source>/<patient>`.
        path: WFDB record without suffix, relative to the source's root.
        fold: the source's own patient-disjoint fold; None where it has none.
        age: years; None where unknown.
        sex: "male", "female" or None.
        scp: SCP code to likelihood in percent, 0 where it is not stated.
        snomed: SNOMED CT codes.
        lines: statements in words, a line each, as a machine or a header gives them.
        report: free text.
        axis: the source's code of the heart's axis, "" where it has none.
        stages: the source's infarction stages, as it writes them.
        site, device: where and with what it was recorded, as the source names them; "" where it does not say.
        rate: Hz that the layout promises; None where it promises none.
        gain: units of the ADC a mV, with a baseline of zero, where a source's headers are known to be wrong.
        suffix: of the signal file.
    """

    record_id: str
    patient_id: str
    source: str
    path: Path
    recorded_at: str = ""
    fold: int | None = None
    age: float | None = None
    sex: str | None = None
    scp: dict[str, float] = field(default_factory=dict)
    snomed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    report: str = ""
    axis: str = ""
    stages: tuple[str, ...] = ()
    human_validated: bool = False
    site: str = ""
    device: str = ""
    rate: float | None = None
    gain: float | None = None
    suffix: str = ".dat"

    @property
    def files(self) -> tuple[str, str]:
        """Header and signal, relative to the source's root."""
        return f"{self.path.as_posix()}.hea", f"{self.path.as_posix()}{self.suffix}"


@dataclass(frozen=True)
class Rejection:
    """A recording set aside, with a named reason and what was found."""

    source: str
    record_id: str
    path: str
    reason: str
    detail: str


class Reader(ABC):
    """Lists the records of one layout.

    Attributes:
        tables: files beside the recordings that it reads; the first tells the layout, and must be there. None where
            the recordings' headers say all.
        ignored: folders that it does not read.
        corpus: the corpus whose recordings it reads at one of several rates; "" where no other reader reads the same.
    """

    tables: ClassVar[tuple[str, ...]] = ()
    ignored: ClassVar[frozenset[str]] = frozenset()
    corpus: ClassVar[str] = ""

    def __init__(self, name: str, root: Path, read: ReadHeader | None = None) -> None:
        """A reader of the source `name` in the folder `root`; `read` gives headers, from the folder if it is None."""
        self.name = name
        self.root = root
        self.read = read or partial(content_of, root)

    @classmethod
    @abstractmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder has this layout."""

    @abstractmethod
    def records(self) -> Iterator[RawRecord | Rejection]:
        """All records in a fixed order, one after the other, and the rows that cannot be used.

        Raises:
            UserError: a table is missing or cannot be read.
        """


def content_of(root: Path, name: str) -> bytes:
    """A header's bytes; none of one that is too large or cannot be read, which the screening then sets aside."""
    path = root / name
    try:
        if not path.is_file() or path.stat().st_size > MAX_HEADER:  # a pipe would be waited for
            return b""
        return path.read_bytes()
    except OSError:
        return b""
