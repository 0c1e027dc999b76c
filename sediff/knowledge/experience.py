"""An experience: what similar training patients' records say and measure, for one condition; its table, its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.errors import UserError
from sediff.knowledge.measures import AXIS, FITTED, MEASURED, MORPHOLOGY, SIZES, SLICES, VALUES, Statistics
from sediff.knowledge.report import POSSIBLE, Report
from sediff.records import read_table, require_version, write_table

FILE = "experience.parquet"
SCHEMA_VERSION = 2
SUMMARIES = {"low": pl.Float32(), "median": pl.Float32(), "high": pl.Float32(), "known": pl.Int16()}
REPORT: dict[str, pl.DataType] = {
    "rhythm": pl.String(),
    "findings": pl.List(pl.String()),
    **dict.fromkeys(POSSIBLE, pl.Struct(dict.fromkeys(("low", "expected", "high"), pl.Float64()))),
    "morphology": pl.List(pl.Struct({"lead": pl.String(), "shape": pl.String()})),
    "confidence": pl.Float64(),
    "cited": pl.List(pl.String()),
    "text": pl.String(),
}


def measured_column(name: str) -> str:
    """The column of the table with a measure's statistics: "measured_pr", "fitted_theta"."""
    return f"{'fitted' if name in MORPHOLOGY else 'measured'}_{name}"


SCHEMA: dict[str, pl.DataType] = {
    "experience_id": pl.String(),
    "record_id": pl.String(),
    **REPORT,
    "distiller": pl.String(),
    "fallback_reason": pl.String(),
    "neighbours": pl.List(pl.String()),
    "similarities": pl.List(pl.Float32()),
    "further_shares": pl.List(pl.Float32()),
    **{
        measured_column(name): pl.Struct(
            {part: dtype if size == 1 else pl.Array(dtype, size) for part, dtype in SUMMARIES.items()}
        )
        for name, size in SIZES.items()
    },
}
# A number x becomes asinh((x - centre) / scale): about -1 to 1 for usual ones, as its logarithm for outliers.
SCALES = {
    "heart_rate": (70, 20),
    "rmssd": (20, 20),
    "pr": (160, 30),
    "qrs_duration": (95, 15),
    "qt": (385, 40),
    "qtcf": (410, 30),
    "axis": (0, 45),
    "amplitudes": (1.3, 0.7),
    "p_amplitudes": (0.05, 0.05),
    "r_amplitudes": (0.6, 0.5),
    "s_amplitudes": (-0.4, 0.5),
    "t_amplitudes": (0.15, 0.25),
    "st": (0, 0.06),
    "theta": (0, 0.5),
    "a": (0, 20),
    "b": (0.15, 0.1),
}
CENTRES, WIDTHS = (
    np.concatenate([np.full(size, SCALES[name][part], np.float32) for name, size in SIZES.items()]) for part in (0, 1)
)
USUAL_COUNT = 10  # neighbours
MEASURED_VALUES = 3 * MEASURED.stop + 1
MORPHOLOGY_VALUES = 2 * (VALUES - MEASURED.stop) + 1


@dataclass(frozen=True)
class Experience:
    """What similar training patients teach.

    Attributes:
        experience_id: "experience:<record>", or "query:<hash>" for free text.
        record_id: the corpus record it was made for; "" for free text.
        report: what the distiller says.
        distiller: who wrote the report: "offline" or "llm:<model>".
        fallback_reason: why an LLM's answer was not used; None where it was, or none was asked for.
        neighbours: ids of the records it rests on, most similar first; similarities: of each, 0 to 1.
        statistics: what those records state and measure, whatever the report says.
    """

    experience_id: str
    record_id: str
    report: Report
    distiller: str
    fallback_reason: str | None
    neighbours: tuple[str, ...]
    similarities: tuple[float, ...]
    statistics: Statistics


def value_count(statements: int) -> int:
    """Length of `experience_values` for a vocabulary of so many statements."""
    return statements + MEASURED_VALUES + MORPHOLOGY_VALUES


def experience_values(experience: Experience | None, statements: int) -> NDArray[np.float32]:
    """An experience as numbers, (value_count(statements),); NaN where it does not know, all NaN for None.

    Layout: the share of each further statement; of each measure in the order of `measures.SLICES` the median (of the
    axis its cosine), then the axis's sine, the interquartile ranges, and how many neighbours have it; of the morphology
    medians, interquartile ranges, and of how many neighbours. All but shares, cosine and sine as `SCALES` says.
    """
    if experience is None:
        return np.full(value_count(statements), np.nan, np.float32)
    own = experience.statistics
    median, axis = np.arcsinh((own.median - CENTRES) / WIDTHS), np.deg2rad(own.median[AXIS])
    median[AXIS] = np.cos(axis)
    spread, known = np.arcsinh((own.high - own.low) / WIDTHS), np.arcsinh(own.known / USUAL_COUNT)
    fits = known[FITTED.start : FITTED.start + 1]
    measured = median[MEASURED], [np.sin(axis)], spread[MEASURED], known[MEASURED]
    return np.concatenate([own.shares, *measured, median[FITTED], spread[FITTED], fits]).astype(np.float32)


def write_experiences(table: pl.DataFrame, path: Path) -> None:
    """Write a table of `SCHEMA` with its version."""
    write_table(table.to_arrow(), path, SCHEMA_VERSION)


def experience_rows(table: pl.DataFrame) -> list[Experience]:
    """Rows of an experience table as objects."""
    reports = (Report.model_validate(row) for row in table.select(list(REPORT)).iter_rows(named=True))
    rows = table.select(
        "experience_id", "record_id", "distiller", "fallback_reason", "neighbours", "similarities"
    ).iter_rows()
    return [
        Experience(name, record_id, report, distiller, reason, tuple(neighbours), tuple(similarities), statistics)
        for (name, record_id, distiller, reason, neighbours, similarities), report, statistics in zip(
            rows, reports, statistics_of(table).rows(), strict=True
        )
    ]


def statistics_of(table: pl.DataFrame) -> Statistics:
    """The statistics in an experience table, one a row."""
    shares = table["further_shares"].explode(empty_as_null=False).to_numpy().reshape(len(table), -1)
    low, median, high = (np.zeros((len(table), VALUES), np.float32) for _ in range(3))
    known = np.zeros((len(table), VALUES), np.int32)
    for name, columns in SLICES.items():
        summary = table[measured_column(name)].struct.unnest()
        for part, values in zip(SUMMARIES, (low, median, high, known), strict=True):
            values[:, columns] = summary[part].to_numpy().reshape(len(table), -1)
    counts = table["neighbours"].list.len().to_numpy().astype(np.int32)
    return Statistics(counts, shares, low, median, high, known)


def read_experience_table(knowledge: Path) -> pl.DataFrame:
    """The stage's out as a table of `SCHEMA`.

    Raises:
        UserError: it is not there, is damaged, or is of another version.
    """
    path = knowledge / FILE
    if not path.is_file():
        raise UserError(f"{path} is missing: run the knowledge stage first.")
    return _read(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=1)  # a dataset asks for some of its rows with each shard
def _read(path: Path, modified: int) -> pl.DataFrame:
    require_version(path, SCHEMA_VERSION, "knowledge")
    return read_table(path)


def read_experiences(knowledge: Path, record_ids: Sequence[str] | None = None) -> list[Experience]:
    """Experiences of the stage's out, in the corpus's order or that of `record_ids`.

    Raises:
        UserError: the stage's out is not there, is of another version, or lacks a record.
    """
    path, table = knowledge / FILE, read_experience_table(knowledge)
    if record_ids is None:
        return experience_rows(table)
    position = {record_id: row for row, record_id in enumerate(table["record_id"])}
    missing = [record_id for record_id in record_ids if record_id not in position]
    if missing:
        raise UserError(f"{path} has no experience for record {missing[0]}: run the knowledge stage again.")
    return experience_rows(table[[position[record_id] for record_id in record_ids]])
