"""RMSSD / mean RR as a distribution: its Wasserstein distance to real within strata, and irregular sinus rhythms."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.evaluation.beats import means
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import Floats, distances_in_halves, known, over_floor, pooled_over_floor
from sediff.evaluation.rhythm import sinus_rows
from sediff.evaluation.strata import FEW_PATIENTS, are_few, each_stratum

POOLED = "pooled"


def dispersion(evidence: Evidence) -> dict[str, Any]:
    """Wasserstein distances by stratum, and the share of sinus rhythms above `evaluation.irregular`."""
    values, draws, patients = evidence.values("dispersion"), evidence.params.bootstraps, evidence.patients
    above = {name: np.where(np.isfinite(of), of > evidence.params.irregular, np.nan) for name, of in values.items()}
    return {
        "dispersion": dispersion_distances(values, evidence.strata, patients, draws, evidence.rng(11)),
        "irregular_sinus": means(above, sinus_rows(evidence.statements), patients, draws, evidence.rng(10)),
    }


def dispersion_distances(
    values: Mapping[str, Floats], strata: NDArray[np.str_], patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Wasserstein-1 of each set to real records within each stratum, beside the floor, and pooled.

    Distances and the floor are taken in halves of the patients, at equal numbers (see `halves`). Pooled is, in each
    draw, the mean distance over the strata, each by its number of records, over the same mean of the floor.

    Args:
        values: RMSSD / mean RR of each set, (n,); NaN where beats are too few: such rows are left out in all sets.
        strata, patients: of each row, (n,).
    """
    result: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    found: dict[str, dict[str, Floats]] = {}
    counts: dict[str, int] = {}
    for stratum, among in each_stratum(strata):
        rows = np.flatnonzero(among & known(values))
        if are_few(patients[rows].tolist()):
            left_out[stratum] = FEW_PATIENTS
            continue
        of_rows = {name: of_set[rows] for name, of_set in values.items()}
        drawn = distances_in_halves(of_rows, patients[rows].tolist(), wasserstein_distance, draws, rng)
        result[stratum] = {"records": len(rows), **over_floor(drawn)}
        found[stratum], counts[stratum] = {name: np.array(of) for name, of in drawn.items()}, len(rows)
    if found:
        result[POOLED] = {"over_floor": pooled_over_floor(found, counts)}
    else:
        left_out[POOLED] = FEW_PATIENTS
    return {**result, "left_out": left_out}
