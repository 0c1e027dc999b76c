"""Diversity within a condition: do synthetic records of like conditions lie as far apart as the real ones do?

The synthetic records of a group are those made for the conditions of its real ones, so both sides have one number of
records and the same spread of age and rate. A generator that makes one record over and over for a condition gives 0.
"""

from typing import Any

import numpy as np

from sediff.evaluation.diversity import diversity, matched_conditions
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC

RECORDS = 5  # of a group


def within_conditions(evidence: Evidence) -> dict[str, Any]:
    """Mean distance in judge (a)'s features within groups of like conditions, over real's; a note with few groups.

    The same of the autoencoder alone stands under "reconstructed".
    """
    groups = _groups(evidence)
    judge, draws = evidence.judges.statement.name, evidence.params.bootstraps
    features = {name: [of_set.features[judge][rows] for rows in groups] for name, of_set in evidence.sets.items()}
    found = diversity(features[SYNTHETIC], features[REAL], draws, evidence.rng(91))
    if "left_out" not in found:
        found[RECONSTRUCTED] = diversity(features[RECONSTRUCTED], features[REAL], draws, evidence.rng(91))["over_real"]
    return {"diversity": found}


def _groups(evidence: Evidence) -> list[np.ndarray]:
    """Rows of the sets whose conditions match, in groups of `RECORDS` patients; no record is in two."""
    everybody = np.ones(len(evidence.patients), bool)
    rows = evidence.sets[REAL].rows
    found = matched_conditions(rows, everybody, everybody, len(rows), RECORDS, evidence.rng(90))
    groups, taken = [], set[int]()
    for condition in found:
        if taken.isdisjoint(condition.matches.tolist()):
            groups.append(condition.matches)
            taken |= set(condition.matches.tolist())
    return groups
