"""Diversity within a condition: do synthetic records of like conditions lie as far apart as the real ones do?

The synthetic records of a group are those made for the conditions of its real ones, so both sides have one number of
records and the same spread of age and rate. A generator that makes one record over and over for a condition gives 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.evaluation.diversity import Features, diversity, matched_conditions
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC

RECORDS = 5  # of a group
FEWEST = 20  # groups: the ratio over fewer may be half or twice as much


def within_conditions(evidence: Evidence) -> dict[str, Any]:
    """Mean distance in judge (a)'s features within groups of like conditions, over real's; a note with few groups."""
    judge = evidence.judges.statement.name
    features = {name: of_set.features[judge] for name, of_set in evidence.sets.items()}
    return {"diversity": over_groups(features, groups_of(evidence), evidence.params.bootstraps, evidence.seed)}


def over_groups(
    features: Mapping[str, Features], groups: Sequence[NDArray[np.intp]], draws: int, seed: int
) -> dict[str, Any]:
    """What `diversity` gives of the groups, and under "reconstructed" the autoencoder's ratio; a note with too few.

    Args:
        features: of each set, (n, d), rows aligned; groups: rows of each.
    """
    if len(groups) < FEWEST:
        return {"left_out": f"fewer than {FEWEST} groups of {RECORDS} patients with like conditions"}
    of_groups = {name: [of_set[rows] for rows in groups] for name, of_set in features.items()}
    made, own = (
        diversity(of_groups[name], of_groups[REAL], draws, np.random.default_rng([seed, 91]))
        for name in (SYNTHETIC, RECONSTRUCTED)
    )
    return made | {RECONSTRUCTED: own["over_real"]}


def groups_of(evidence: Evidence) -> list[np.ndarray]:
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
