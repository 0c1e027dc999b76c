"""What an LLM is shown of a condition and its neighbours: no ids, dates or names, and ages in bands.

Texts are the vocabulary's own: of a report's words none gets here, so none can be taken for an instruction. But for
drugs, which the EHR names: of those only lower-case words without dose are left (`terms.DrugNames`), and few of them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from sediff.ecg import INDEPENDENT_LEADS
from sediff.knowledge.measures import SCALARS, VOLTAGES, Statistics
from sediff.knowledge.profiles import CODED, VIEWS, age_band
from sediff.knowledge.retrieval import Neighbours
from sediff.vocabulary import Vocabulary

SEXES = ("female", "male")
# Kinds of items that a history leaves out: statements, which are told by name, and codes without a title.
LEFT_OUT = (CODED.removesuffix(":"), "icd9", "icd10")
MIN_SHARE = 0.05  # of the neighbours that have a statement
MAX_WORDS = 4  # of a drug's name: what is longer is a remark
PERSONS = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "patient", "pt"})  # a name may follow


def prompts(
    profiles: pl.DataFrame,
    neighbours: Neighbours,
    statistics: Statistics,
    training: pl.DataFrame,
    vocabulary: Vocabulary,
) -> list[dict[str, Any]]:
    """One prompt for each profile.

    Args:
        neighbours: those that are shown one by one, called N1, N2, … in it.
        statistics: of all neighbours, those that are not shown too, as `statistics.sufficient` leaves them.
    """
    shown = [_measured(row, vocabulary) for row in training.iter_rows(named=True)]
    result = []
    for profile, rows, similarities, all_of_them in zip(
        profiles.iter_rows(named=True), neighbours.rows, neighbours.similarities, statistics.rows(), strict=True
    ):
        listed = [
            {"id": f"N{number}", "similarity": round(float(similarity), 3), **shown[row]}
            for number, (row, similarity) in enumerate(zip(rows[rows >= 0], similarities, strict=False), start=1)
        ]
        sex = profile["sex"] if profile["sex"] in SEXES else None
        about = {"age": age_band(profile["age"]), "sex": sex, "history": _history(profile)}
        result.append(
            {
                "condition": vocabulary.describe(profile["statements"]),
                **about,
                "summary": _summary(all_of_them, vocabulary),
                "neighbours": listed,
            }
        )
    return result


def _history(profile: dict[str, Any]) -> dict[str, list[str]]:
    """Diagnoses, medications and procedures of the EHR by their titles, those that have one; no remarks."""
    items = {view: [item.split(":", 1) for item in profile[view]] for view in VIEWS}
    told = {view: [(kind, title) for kind, title in own if kind not in LEFT_OUT] for view, own in items.items()}
    return {
        view: [title for kind, title in own if kind != "drug" or _names_a_drug(title)] for view, own in told.items()
    }


def _names_a_drug(title: str) -> bool:
    """Whether a prescription's name may be told: a remark, or one that speaks of a person, may not."""
    words = title.split()
    return len(words) <= MAX_WORDS and PERSONS.isdisjoint(word.strip(".,:") for word in words)


def _summary(statistics: Statistics, vocabulary: Vocabulary) -> dict[str, Any]:
    """All neighbours as they weigh: further statements by share, quartiles of what is measured, null where unknown."""
    shares = {
        vocabulary[code].name: round(float(share), 2)
        for code, share in zip(vocabulary.codes, statistics.shares, strict=True)
        if share >= MIN_SHARE
    }
    return {
        "count": int(statistics.counts),
        "further_statements": dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))),
        **{name: [_rounded(v, 0) for v in _quartiles(statistics, name)[0]] for name in SCALARS},
        **{
            name: {
                lead: [_rounded(value, 2) for value in values]
                for lead, values in zip(leads, _quartiles(statistics, name), strict=True)
            }
            for name, leads in VOLTAGES.items()
        },
    }


def _quartiles(statistics: Statistics, name: str) -> list[list[float]]:
    """Lower quartile, median and upper quartile of each value of a measure: (size, 3)."""
    summary = statistics[name]
    return np.stack([summary.low, summary.median, summary.high], axis=-1).tolist()


def concerned(profiles: pl.DataFrame, neighbours: Neighbours, training: pl.DataFrame) -> Iterator[set[str]]:
    """For each prompt the ids of records, patients and admissions behind it, which no answer may have."""
    columns = ("record_id", "patient_id", "admission")
    near = list(training.select(columns).iter_rows())
    for own, rows in zip(profiles.select(columns).iter_rows(), neighbours.rows, strict=True):
        yield {name for ids in (own, *(near[row] for row in rows if row >= 0)) for name in ids if name}


def _measured(row: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    amplitudes = zip(INDEPENDENT_LEADS, row["amplitudes"] or (), strict=False)
    return {
        "statements": vocabulary.describe(row["statements"]),
        **{name: _rounded(row[name], 0) for name in SCALARS},
        "amplitudes": {lead: _rounded(value, 2) for lead, value in amplitudes},
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), digits)
