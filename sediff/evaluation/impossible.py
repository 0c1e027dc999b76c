"""Share of the records that show a pattern no heart makes, by rule and any, beside that of real ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, Floats
from sediff.evaluation.rules import RULES
from sediff.evaluation.strata import FEW, MIN_RECORDS

ANY = "any"
NORMAL_QUANTILE = 1.96  # of 95 % intervals


def impossible(evidence: Evidence) -> dict[str, Any]:
    """Share of the records of each set that break a rule, by rule and any, and its difference from real."""
    draws = list(patient_draws(evidence.patients, evidence.params.bootstraps, evidence.rng(110)))
    return {"impossible": shares(evidence.values("impossible"), evidence.patients, draws)}


def shares(values: Mapping[str, Floats], patients: NDArray, draws: Sequence[NDArray[np.intp]]) -> dict[str, Any]:
    """Shares with their Wilson intervals, which tell also of none in how many, and differences over draws.

    An interval counts patients, not records, as those of one are alike.

    Args:
        values: of each set what its records break, (n, rules); patients: of each row, (n,).
        draws: of the rows, for the intervals of the differences.
    """
    if len(patients) < MIN_RECORDS:
        return {"left_out": FEW}
    count, found = len(set(patients.tolist())), {}
    for column, name in enumerate((*RULES, ANY)):
        broken = {of: (v.any(1).astype(float) if name == ANY else v[:, column]) for of, v in values.items()}
        differences = {of: v - broken[REAL] for of, v in broken.items() if of != REAL}
        found[name] = {
            "records": len(patients),
            **{of: {"share": float(v.mean()), **wilson(float(v.mean()), count)} for of, v in broken.items()},
            "difference": {
                of: {"mean": float(v.mean()), **interval([float(v[rows].mean()) for rows in draws])}
                for of, v in differences.items()
            },
        }
    return found


def wilson(share: float, count: int) -> dict[str, float]:
    """95 % interval of a share of so many (Wilson 1927): of none in 2,000 it is 0 to 0.0019."""
    z = NORMAL_QUANTILE**2 / count
    middle = (share + z / 2) / (1 + z)
    reach = np.sqrt(share * (1 - share) * z + z**2 / 4) / (1 + z)
    return {"low": max(float(middle - reach), 0.0), "high": min(float(middle + reach), 1.0)}
