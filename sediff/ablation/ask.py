"""What every cell is asked for: the conditions of some held-out records, in one order."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.encoder.conditions import corpus_conditions
from sediff.errors import UserError
from sediff.evaluation.evidence import floor_rows
from sediff.records import read_columns, read_signals
from sediff.seeds import seed_of
from sediff.synthesis.request import RequestRow


@dataclass(frozen=True)
class Asked:
    """Conditions, the real records they are of, and the held-out records that all sets are compared with.

    Attributes:
        rows: one for each record to be made.
        real: rows of the corpus of these records; signals: of them, (n, 12, 1000), int16 µV.
        held_out, held_out_signals: the same of the whole split; of the test split those that people have validated.
    """

    rows: list[RequestRow]
    real: pl.DataFrame
    signals: NDArray[np.int16]
    held_out: pl.DataFrame
    held_out_signals: NDArray[np.int16]

    @classmethod
    def of(cls, data: Path, split: str, samples: int, seed: int, min_records: int) -> "Asked":
        """Draw conditions of a split, each at most once: all where there are no more than `samples`.

        Raises:
            UserError: the split has no record.
        """
        columns, stored = read_columns(data / "corpus/records"), read_signals(data / "corpus/records")
        among = np.flatnonzero((columns["split"] == split).to_numpy())
        if not len(among):
            raise UserError(f"corpus has no {split} record to take conditions from: check corpus.folds.")
        rng = np.random.default_rng(seed_of(seed, "ablation", split))
        chosen = among[rng.permutation(len(among))[:samples]]
        floor = np.flatnonzero(floor_rows(columns, min_records)) if split == "test" else among
        real = columns[chosen]
        conditions = corpus_conditions(real, data / "knowledge")
        parts = zip(conditions, real["statements"].to_list(), real["record_id"], strict=True)
        rows = [RequestRow(condition, tuple(codes), record_id) for condition, codes, record_id in parts]
        return cls(rows, real, stored[chosen], columns[floor], stored[floor])
