"""Where synthetic records come from, and whom their generators were trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ecg import independent_leads
from sediff.errors import UserError
from sediff.records import read_columns, read_signals
from sediff.study.cell import CORPUS


@dataclass(frozen=True)
class Records:
    """Columns, and signals (n, 8, 1000), int16 µV."""

    columns: pl.DataFrame
    signals: NDArray[np.int16]

    @classmethod
    def read(cls, folder: Path) -> "Records":
        """The records of a stage's out."""
        columns = read_columns(folder / "records")
        return cls(columns, np.ascontiguousarray(independent_leads(read_signals(folder / "records"))))


class Generators:
    """Synthetic records of `data` folders: of one, or of one for each fold, in their order.

    Args:
        request: the folder in `data` of what is used.
    """

    def __init__(self, folders: Sequence[Path], request: Path) -> None:
        self.folders, self.request = folders, request
        self._records: dict[Path, Records] = {}
        self._trained_on: dict[Path, pl.DataFrame] = {}

    def records(self, fold: int) -> Records:
        """The synthetic records for a fold."""
        folder = self._folder(fold)
        if folder not in self._records:
            self._records[folder] = Records.read(folder / self.request)
        return self._records[folder]

    def require_strangers(self, fold: int, patients: Iterable[str]) -> None:
        """Refuse a generator that was trained on one of these patients.

        Raises:
            UserError: it was.
        """
        known = set(patients) & set(self._training(fold)["patient_id"])
        if known:
            raise UserError(
                f"The generator of {self._folder(fold)} was trained on {len(known)} of the patients who are tested in "
                f"fold {fold}: train one without the records that `sediff study --left-out` names, and give its clone."
            )

    def seen(self, fold: int, record_ids: Iterable[str]) -> int:
        """How many of these records the generator was trained on."""
        return len(set(record_ids) & set(self._training(fold)["record_id"]))

    def _folder(self, fold: int) -> Path:
        return self.folders[fold if len(self.folders) > 1 else 0]

    def _training(self, fold: int) -> pl.DataFrame:
        folder = self._folder(fold)
        if folder not in self._trained_on:
            columns = read_columns(folder / CORPUS / "records", ["record_id", "patient_id", "split"])
            self._trained_on[folder] = columns.filter(split="train")
        return self._trained_on[folder]
