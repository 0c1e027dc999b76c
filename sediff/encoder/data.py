"""What the encoder stage learns from: the corpus, and which of its training patients teach whom."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sediff.ecg import independent_leads
from sediff.errors import UserError
from sediff.records import read_columns, read_signals
from sediff.shares import is_drawn

Part = Literal["conditioner", "judges"]


@dataclass(frozen=True)
class EcgRecords:
    """The corpus, and the rows of it that are this part's.

    Attributes:
        columns: a row for each record.
        signals: (n, 8, 1000), int16 µV.
        training, test: rows of this part's training patients and of all held-out patients.
    """

    columns: pl.DataFrame
    signals: Tensor
    training: Tensor
    test: Tensor

    def millivolts(self, rows: Tensor) -> Tensor:
        """Signals of some records: (batch, 8, 1000) in mV."""
        return self.signals[rows].float() / 1000


def read_records(corpus: Path, part: Part, judges_share: float) -> EcgRecords:
    """Read the corpus; `judges_share` of the training patients, by a hash of the patient, are the judges'.

    Raises:
        UserError: fewer than two training records for this part.
    """
    columns = read_columns(corpus / "records")
    split = columns["split"].to_numpy()
    judges = np.array([is_judges(patient, judges_share) for patient in columns["patient_id"]], bool)
    training = np.flatnonzero((split == "train") & (judges if part == "judges" else ~judges))
    if len(training) < 2:
        raise UserError(f"corpus has too few training patients for the {part}: add records to the source.")
    signals = torch.from_numpy(independent_leads(read_signals(corpus / "records")))
    return EcgRecords(columns, signals, torch.from_numpy(training), torch.from_numpy(np.flatnonzero(split == "test")))


def is_judges(patient: str, share: float) -> bool:
    """Whether a patient teaches the judges; a larger share keeps those of a smaller one."""
    return is_drawn(patient, "judges", share)
