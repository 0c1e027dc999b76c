"""Diversity within a condition: how far records of one condition lie apart, synthetic over matched real ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from sediff.bootstrap import interval
from sediff.vocabulary import statement_sets

AGE, RATE = 5.0, 5.0  # years, bpm: records further apart in these do not match
FEWEST_CONDITIONS = 5
Features = NDArray[np.float64]


@dataclass(frozen=True)
class MatchedCondition:
    """A record whose condition is asked for, and real records of other patients that match it, one a patient."""

    row: int
    matches: NDArray[np.intp]


def matched_conditions(
    columns: pl.DataFrame,
    candidates: NDArray[np.bool_],
    pool: NDArray[np.bool_],
    conditions: int,
    records: int,
    rng: np.random.Generator,
) -> list[MatchedCondition]:
    """Conditions of candidates that at least `records` patients of the pool match, and so many of these, drawn.

    Records match whose sets of statements and sex are equal, whose age is within 5 years and whose heart rate within
    5 bpm. One condition of each set of statements is taken before the second of any, in random order.

    Args:
        columns: of the corpus, with patient_id, statements, sex, age and heart_rate.
        candidates, pool: which records, (n,).
        conditions: at most so many are given, perhaps fewer.
    """
    statements = statement_sets(columns["statements"].to_list())
    sex, patients = columns["sex"].fill_null("").to_numpy(), columns["patient_id"].to_numpy()
    age, rate = (columns[name].cast(pl.Float64).to_numpy() for name in ("age", "heart_rate"))
    found: list[tuple[int, MatchedCondition]] = []
    times: Counter[int] = Counter()
    for row in rng.permutation(np.flatnonzero(candidates & np.isfinite(age) & np.isfinite(rate))).tolist():
        alike = pool & (statements == statements[row]) & (sex == sex[row]) & (patients != patients[row])
        alike &= (np.abs(age - age[row]) <= AGE) & (np.abs(rate - rate[row]) <= RATE)
        order = rng.permutation(np.flatnonzero(alike))
        _, first = np.unique(patients[order], return_index=True)
        if len(first) >= records:
            found.append((times[statements[row]], MatchedCondition(row, order[np.sort(first)[:records]])))
            times[statements[row]] += 1
    return [condition for _, condition in sorted(found, key=lambda item: item[0])][:conditions]


def one_alike(columns: pl.DataFrame, rows: NDArray[np.intp], rng: np.random.Generator) -> dict[int, int]:
    """A record of another patient for each of some rows of the corpus that has one which matches it, drawn."""
    asked = np.isin(np.arange(len(columns)), rows)
    found = matched_conditions(columns, asked, np.ones(len(columns), bool), len(rows), 1, rng)
    return {condition.row: int(condition.matches[0]) for condition in found}


def mean_distance(features: Features) -> float:
    """Mean Euclidean distance over all pairs of records (n, d): its expectation does not depend on n."""
    return float(pdist(features).mean())


def diversity(
    made: Sequence[Features], real: Sequence[Features], draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Mean distance within a condition, over conditions, of synthetic records over that of matched real ones.

    Args:
        made, real: features of the records of each condition, (records, d), in one order of conditions.

    Returns:
        The numbers and the ratio of the means with an interval over draws of conditions; a note with too few.
    """
    if len(made) < FEWEST_CONDITIONS:
        return {"left_out": f"fewer than {FEWEST_CONDITIONS} conditions have enough matched records"}
    of_made, of_real = (np.array([mean_distance(features) for features in sets]) for sets in (made, real))
    drawn = [rng.integers(0, len(made), len(made)) for _ in range(draws)]
    return {
        "conditions": len(made),
        "synthetic": float(of_made.mean()),
        "real": float(of_real.mean()),
        "over_real": {
            "ratio": float(of_made.mean() / of_real.mean()),
            **interval([float(of_made[rows].mean() / of_real[rows].mean()) for rows in drawn]),
        },
    }
