"""What a reader gives: the description of each record, without its signal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol


@dataclass(frozen=True)
class RawRecord:
    """One recording as its source describes it.

    Attributes:
        record_id: `<source>/<id>`, unique.
        patient_id: `<source>/<patient>`.
        path: WFDB record without suffix, relative to the source's root.
        fold: the source's own patient-disjoint fold; None where it has none.
        age: years; None where unknown.
        sex: "male", "female" or None.
        statements: SCP code to likelihood in percent, 0 where it is not stated.
    """

    record_id: str
    patient_id: str
    source: str
    path: Path
    recorded_at: str
    fold: int | None
    age: float | None
    sex: str | None
    statements: dict[str, float] = field(default_factory=dict)
    report: str = ""
    human_validated: bool = False


@dataclass(frozen=True)
class Rejection:
    """A recording set aside, with a named reason and what was found."""

    source: str
    record_id: str
    path: str
    reason: str
    detail: str


class Reader(Protocol):
    """Lists the records of one layout; `tables` are the files beside the recordings that it reads."""

    tables: ClassVar[tuple[str, ...]]

    def __init__(self, name: str, root: Path) -> None: ...

    def records(self) -> tuple[Sequence[RawRecord], Sequence[Rejection]]:
        """All records that the source's tables describe, and the rows that cannot be used.

        Raises:
            UserError: a table is missing or cannot be read.
        """
        ...
