"""What an LLM is shown of a condition and its neighbours: no ids, dates or names, and ages in bands."""

from typing import Any

import numpy as np
import polars as pl

from sediff.ecg import INDEPENDENT_LEADS
from sediff.knowledge.retrieval import Neighbours
from sediff.vocabulary import Vocabulary

OLDEST_BAND = 90


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
        about = {"age": age_band(profile["age"]), "sex": profile["sex"], "neighbours": listed}
        result.append({"condition": vocabulary.describe(profile["statements"]), **about})
    return result


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
        "heart_rate": _rounded(row["heart_rate"], 0),
        "rmssd": _rounded(row["rmssd"], 0),
        "amplitudes": {lead: _rounded(value, 2) for lead, value in amplitudes},
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), digits)
