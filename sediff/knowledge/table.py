"""The table of experiences: what was distilled beside what it rests on."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl

from sediff.knowledge.distill import Distilled
from sediff.knowledge.experience import REPORT, SCHEMA, SUMMARIES, Experience, measured_column
from sediff.knowledge.measures import SIZES, Statistics
from sediff.knowledge.retrieval import Neighbours


def experience_table(
    experience_ids: Sequence[str],
    record_ids: Sequence[str],
    distilled: Sequence[Distilled],
    neighbours: Neighbours,
    statistics: Statistics,
    training: pl.DataFrame,
) -> pl.DataFrame:
    """Experiences in the order given; columns as in `experience.SCHEMA`."""
    ids = training["record_id"].to_list()
    there = [row[row >= 0] for row in neighbours.rows]
    similarities = [s[: len(row)].tolist() for s, row in zip(neighbours.similarities, there, strict=True)]
    columns: dict[str, Any] = {
        "experience_id": list(experience_ids),
        "record_id": list(record_ids),
        **_reports(distilled),
        "distiller": [d.distiller for d in distilled],
        "fallback_reason": [d.fallback_reason for d in distilled],
        "neighbours": [[ids[k] for k in row] for row in there],
        "similarities": similarities,
        "further_shares": pl.Series(statistics.shares),
        **{measured_column(name): _measured(statistics, name) for name in SIZES},
    }
    return pl.DataFrame([pl.Series(name, columns[name]).cast(dtype) for name, dtype in SCHEMA.items()])


def experience_row(experience: Experience) -> dict[str, Any]:
    """An experience as the row of the table that says the same."""
    own = experience.statistics
    neighbours = Neighbours(np.arange(len(experience.neighbours))[None], np.array([experience.similarities]))
    return experience_table(
        [experience.experience_id],
        [experience.record_id],
        [Distilled(experience.report, experience.distiller, experience.fallback_reason)],
        neighbours,
        Statistics(*(np.asarray(getattr(own, field.name))[None] for field in fields(own))),
        pl.DataFrame({"record_id": experience.neighbours}),
    ).row(0, named=True)


def _reports(distilled: Sequence[Distilled]) -> dict[str, list]:
    """The reports' fields as columns."""
    rows = [d.report.model_dump() for d in distilled]
    return {name: [list(row[name]) if isinstance(row[name], tuple) else row[name] for row in rows] for name in REPORT}


def _measured(statistics: Statistics, name: str) -> pl.Series:
    """One measure's quartiles and counts as a struct; a number that no neighbour has is null, in a list NaN."""
    summary = statistics[name]
    parts = {part: getattr(summary, part) for part in SUMMARIES}
    if SIZES[name] == 1:
        parts = {part: values[:, 0] for part, values in parts.items()}
    column = measured_column(name)
    frame = pl.DataFrame(parts).with_columns(pl.col(pl.Float32).fill_nan(None))
    return frame.to_struct(column).cast(SCHEMA[column])
