"""What an LLM is shown of a condition and its neighbours: no ids, dates or names, and ages in bands.

All texts are the vocabulary's own: of a report's words none gets here, so none can be taken for an instruction.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from sediff.ecg import INDEPENDENT_LEADS
from sediff.knowledge.retrieval import Neighbours
from sediff.vocabulary import Vocabulary

OLDEST_BAND = 90
SEXES = ("female", "male")
VALUES = ("heart_rate", "rmssd", "pr", "qrs_duration", "qt", "qtcf", "axis")


def prompts(
    profiles: pl.DataFrame, neighbours: Neighbours, training: pl.DataFrame, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
    """One prompt for each profile; neighbours are called N1, N2, … in it."""
    shown = [_measured(row, vocabulary) for row in training.iter_rows(named=True)]
    result = []
    for profile, rows, similarities in zip(
        profiles.iter_rows(named=True), neighbours.rows, neighbours.similarities, strict=True
    ):
        listed = [
            {"id": f"N{number}", "similarity": round(float(similarity), 3), **shown[row]}
            for number, (row, similarity) in enumerate(zip(rows[rows >= 0], similarities, strict=False), start=1)
        ]
        sex = profile["sex"] if profile["sex"] in SEXES else None
        about = {"age": age_band(profile["age"]), "sex": sex, "neighbours": listed}
        result.append({"condition": vocabulary.describe(profile["statements"]), **about})
    return result


def concerned(profiles: pl.DataFrame, neighbours: Neighbours, training: pl.DataFrame) -> Iterator[set[str]]:
    """For each prompt the ids of records, patients and admissions behind it, which no answer may have."""
    columns = ("record_id", "patient_id", "admission")
    near = list(training.select(columns).iter_rows())
    for own, rows in zip(profiles.select(columns).iter_rows(), neighbours.rows, strict=True):
        yield {name for ids in (own, *(near[row] for row in rows if row >= 0)) for name in ids if name}


def age_band(age: float | None) -> str | None:
    """An age as a band of ten years, the oldest "90 or over"; None where unknown."""
    if age is None or np.isnan(age):
        return None
    decade = int(age // 10) * 10
    return f"{OLDEST_BAND} or over" if decade >= OLDEST_BAND else f"{decade} to {decade + 9}"


def _measured(row: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    amplitudes = zip(INDEPENDENT_LEADS, row["amplitudes"] or (), strict=False)
    return {
        "statements": vocabulary.describe(row["statements"]),
        **{name: _rounded(row[name], 0) for name in VALUES},
        "amplitudes": {lead: _rounded(value, 2) for lead, value in amplitudes},
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), digits)
