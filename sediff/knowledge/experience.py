"""An experience: what the records of similar training patients measure and say, for one condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS
from sediff.errors import UserError
from sediff.records import read_table

FILE = "experience.parquet"
SCHEMA: dict[str, pl.DataType] = {
    "experience_id": pl.String(),
    "record_id": pl.String(),
    "text": pl.String(),
    "distiller": pl.String(),
    "fallback_reason": pl.String(),
    "neighbours": pl.List(pl.String()),
    "similarities": pl.List(pl.Float32()),
    "heart_rate_median": pl.Float32(),
    "heart_rate_spread": pl.Float32(),
    "rmssd_median": pl.Float32(),
    "amplitudes_median": pl.List(pl.Float32()),
    "statement_shares": pl.List(pl.Float32()),
}
SCALE = 100.0  # bpm and ms to numbers around 1
SMALLEST_AMPLITUDE = 1e-3  # mV


@dataclass(frozen=True)
class Experience:
    """What similar training patients teach.

    Attributes:
        record_id: the corpus record it was made for; "" for free text.
        text: one paragraph.
        distiller: "offline" or "llm:<model>".
        fallback_reason: why an LLM's answer was not used; None where it was, or none was asked for.
        neighbours: ids of the records it rests on, most similar first; similarities: of each, 0 to 1.
        heart_rate_median, heart_rate_spread: bpm, the spread is the interquartile range; None where unknown.
        rmssd_median: ms; None where unknown.
        amplitudes_median: peak-to-peak of the beat in I, II, V1 to V6, mV; NaN where unknown.
        statement_shares: share of neighbours with each statement, 0 to 1, in the order of `Vocabulary.codes`.
    """

    experience_id: str
    record_id: str
    text: str
    distiller: str
    fallback_reason: str | None
    neighbours: tuple[str, ...]
    similarities: tuple[float, ...]
    heart_rate_median: float | None
    heart_rate_spread: float | None
    rmssd_median: float | None
    amplitudes_median: tuple[float, ...]
    statement_shares: tuple[float, ...]


def value_count(statements: int) -> int:
    """Length of `experience_values` for a vocabulary of so many statements."""
    return 3 + len(INDEPENDENT_LEADS) + statements


def experience_values(experience: Experience | None, statements: int) -> NDArray[np.float32]:
    """An experience as numbers: (3 + 8 + statements,), NaN where it does not know, all NaN for None.

    Layout: heart rate median / 100 bpm, its interquartile range / 100 bpm, RMSSD median / 100 ms; natural
    logarithm of the amplitudes of I, II, V1 to V6 in mV; share of each statement.
    """
    if experience is None:
        return np.full(value_count(statements), np.nan, np.float32)
    rates = (experience.heart_rate_median, experience.heart_rate_spread, experience.rmssd_median)
    amplitudes = np.asarray(experience.amplitudes_median, np.float32)
    return np.concatenate(
        [
            np.array([np.nan if value is None else value / SCALE for value in rates], np.float32),
            np.log(np.maximum(amplitudes, SMALLEST_AMPLITUDE)),
            np.asarray(experience.statement_shares, np.float32),
        ]
    )


def experience_rows(table: pl.DataFrame) -> list[Experience]:
    """Rows of an experience table as objects."""
    names = list(SCHEMA)
    lists = {"neighbours", "similarities", "amplitudes_median", "statement_shares"}
    columns = [map(tuple, table[name].to_list()) if name in lists else table[name].to_list() for name in names]
    return [Experience(*row) for row in zip(*columns, strict=True)]


def read_experiences(knowledge: Path, record_ids: Sequence[str] | None = None) -> list[Experience]:
    """Experiences of the stage's out, in the corpus's order or that of `record_ids`.

    Raises:
        UserError: the stage's out is not there, or lacks a record.
    """
    path = knowledge / FILE
    if not path.is_file():
        raise UserError(f"{path} is missing: run the knowledge stage first.")
    table = read_table(path)
    if record_ids is None:
        return experience_rows(table)
    position = {record_id: row for row, record_id in enumerate(table["record_id"])}
    missing = [record_id for record_id in record_ids if record_id not in position]
    if missing:
        raise UserError(f"{path} has no experience for record {missing[0]}: run the knowledge stage again.")
    return experience_rows(table[[position[record_id] for record_id in record_ids]])
