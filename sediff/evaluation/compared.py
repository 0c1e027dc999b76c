"""What is compared: synthetic records, the real ones whose conditions they have, and the judges that read both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder.contrast import WaveformJudge
from sediff.encoder.judge import Judge
from sediff.encoder.text_ecg import TextJudge
from sediff.errors import UserError


@dataclass(frozen=True)
class Judges:
    """The three judges: of statements, of waveforms, of texts."""

    statement: Judge
    waveform: WaveformJudge
    text: TextJudge

    @classmethod
    def load(cls, folder: Path) -> "Judges":
        """Read them, in evaluation mode and frozen."""
        return cls(Judge.load(folder), WaveformJudge.load(folder), TextJudge.load(folder))

    def features(self, leads: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Features of signals (n, 8, 1000) in mV by the judge's name: (n, 64) each."""
        return {judge.name: judge.features(leads) for judge in (self.statement, self.waveform)}


@dataclass(frozen=True)
class Records:
    """Rows, signals as stored (n, 12, 1000), the eight leads in mV, and the judges' features of them."""

    rows: pl.DataFrame
    signals: NDArray[np.int16]
    leads: NDArray[np.float32]
    features: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, rows: pl.DataFrame, signals: NDArray[np.int16], judges: Judges) -> "Records":
        leads = to_millivolts(independent_leads(signals))
        return cls(rows, signals, leads, judges.features(leads))

    def only(self, rows: NDArray[np.intp]) -> "Records":
        """Some of the records."""
        features = {name: values[rows] for name, values in self.features.items()}
        return Records(self.rows[rows], self.signals[rows], self.leads[rows], features)


@dataclass(frozen=True)
class Matched:
    """The real records whose conditions were asked for, each once, in the order in which they first were.

    Attributes:
        corpus_rows: of the real records; first: rows of the first synthetic record of each.
        partner: for each synthetic record the place of its real one among these.
    """

    corpus_rows: NDArray[np.intp]
    first: NDArray[np.intp]
    partner: NDArray[np.intp]

    @classmethod
    def of(cls, made: pl.DataFrame, columns: pl.DataFrame) -> "Matched":
        """Look for the records of `matched_record_id` in the corpus."""
        asked = made["matched_record_id"].to_list()
        places = {record_id: place for place, record_id in enumerate(dict.fromkeys(asked))}
        position = {record_id: row for row, record_id in enumerate(columns["record_id"])}
        missing = [record_id for record_id in places if record_id not in position]
        if missing:
            raise UserError(
                f"Record {missing[0]}, whose condition was used, is not in the corpus: run synthesis again."
            )
        partner = np.array([places[record_id] for record_id in asked], np.intp)
        _, first = np.unique(partner, return_index=True)
        return cls(np.array([position[record_id] for record_id in places], np.intp), first, partner)
