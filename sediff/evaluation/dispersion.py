"""RMSSD / mean RR as a distribution: its Wasserstein distance to real within strata, and irregular sinus rhythms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.beats import find_r_peaks
from sediff.evaluation.beats import means
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import (
    REAL,
    SIMULATOR,
    SYNTHETIC,
    Floats,
    distances_in_halves,
    known,
    over_floor,
    pooled_over_floor,
)
from sediff.evaluation.readings import dispersion_of
from sediff.evaluation.rhythm import sinus_rows
from sediff.evaluation.strata import FEW_PATIENTS, are_few, each_stratum

POOLED = "pooled"


def dispersion(evidence: Evidence) -> dict[str, Any]:
    """Wasserstein distances by stratum, and the share of sinus rhythms above `evaluation.irregular`."""
    simulated = read_dispersion(evidence.simulated.leads)
    of = evidence.statements, evidence.strata, evidence.patients, evidence.params.irregular, evidence.params.bootstraps
    return compare_dispersions(evidence.values("dispersion"), simulated, *of, evidence.seed)


def read_dispersion(leads: NDArray[np.float32]) -> Floats:
    """RMSSD / mean RR of signals (n, 8, 1000) in mV, as `Readings` has it: (n,)."""
    return np.array([dispersion_of(peaks) for peaks in find_r_peaks(leads)])


def compare_dispersions(
    values: Mapping[str, Floats],
    simulated: Floats,
    statements: Sequence[Sequence[str]],
    strata: NDArray[np.str_],
    patients: NDArray,
    irregular: float,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Wasserstein distances by stratum, and the share of sinus rhythms above `irregular`, of the sets and simulator.

    The sets alone say which rows count. The simulator stands beside them on those of these rows where it is known.

    Args:
        values: RMSSD / mean RR of each set, (n,); simulated: of the simulator's records, (n,); NaN: beats are too few.
        statements, strata, patients: of each row.
    """
    baseline = {SIMULATOR: simulated, REAL: np.where(known(values), values[REAL], np.nan)}
    found = []
    for of_sets, numbers in ((values, (10, 11)), (baseline, (12, 13))):
        above = {name: np.where(np.isfinite(of), of > irregular, np.nan) for name, of in of_sets.items()}
        one, other = (np.random.default_rng([seed, number]) for number in numbers)
        by_stratum = dispersion_distances(of_sets, strata, patients, draws, other)
        shares = means(above, sinus_rows(statements), patients, draws, one)
        found.append({"dispersion": by_stratum, "irregular_sinus": shares})
    return with_simulator(*found)


def with_simulator(found: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
    """What was found of the sets and, wherever synthetic records have a figure, the simulator's; a note without one."""
    merged = {
        key: with_simulator(of, alone.get(key) or {}) if isinstance(of, Mapping) else of for key, of in found.items()
    }
    return merged | ({SIMULATOR: alone.get(SIMULATOR, {"left_out": FEW_PATIENTS})} if SYNTHETIC in found else {})


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
