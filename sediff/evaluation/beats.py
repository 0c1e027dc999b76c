"""What beats show, record by record, by rhythm: P waves, consistency, RMSSD, RR autocorrelation, early wide beats."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import Floats, compare_means, known
from sediff.evaluation.signs import OF_STATEMENT, SIGNS
from sediff.evaluation.strata import FEW_PATIENTS, are_few, each_stratum

BY_STRATUM = {
    "p_waves": "p_share",
    "beat_consistency": "consistency",
    "rr_autocorrelation": "lag",
    "rmssd": "dispersion",
}
PREMATURE_BEATS = {"share": "ventricular", "count": "premature", "coupling": "coupling"}


def beats(evidence: Evidence) -> dict[str, Any]:
    """Means of each quantity in each set that is read, and their differences from real.

    `p_waves`: share of beats with a P wave before the QRS (in fibrillation, false ones); `beat_consistency`: mean
    correlation of a record's beats with its median beat; `rr_autocorrelation`: correlation of successive RR intervals;
    `rmssd`: over the mean RR; `early_wide_beats`, of records with ventricular premature beats: the share of wide beats
    among all, how many of them come early in 10 s, and the interval to the beat before as a share of the median RR.
    """
    draws = evidence.params.bootstraps
    result: dict[str, Any] = {}
    for number, (section, reading) in enumerate(BY_STRATUM.items()):
        rng, values = evidence.rng(20 + number), evidence.values(reading)
        result[section] = means_by_stratum(values, evidence.strata, evidence.patients, draws, rng)
    premature = np.array(["PVC" in codes for codes in evidence.statements])
    result["early_wide_beats"] = {
        name: means(evidence.values(reading), premature, evidence.patients, draws, evidence.rng(30))
        for name, reading in PREMATURE_BEATS.items()
    }
    return result


def signs(evidence: Evidence) -> dict[str, Any]:
    """Prevalence of the signs by lead among records with the statement that they belong to."""
    read, draws = evidence.values("signs"), evidence.params.bootstraps
    found = {}
    pairs = [(statement, sign) for statement, signs in OF_STATEMENT.items() for sign in signs]
    for number, (statement, sign) in enumerate(pairs):
        of_sign = {name: of[:, SIGNS.index(sign)] for name, of in read.items()}
        among = np.array([statement in codes for codes in evidence.statements])
        key = f"{statement}_{sign}"
        found[key] = means(of_sign, among, evidence.patients, draws, evidence.rng(200 + number))
    return {"signs": found}


def means_by_stratum(
    values: Mapping[str, Floats], strata: NDArray[np.str_], patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """`compare_means` within each stratum of which enough patients have a number in every set.

    Args:
        values: of each set, (n,); strata, patients: of each row, (n,).
    """
    return {stratum: means(values, among, patients, draws, rng) for stratum, among in each_stratum(strata)}


def means(
    values: Mapping[str, Floats], among: NDArray[np.bool_], patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """`compare_means` of the rows that `among` (n,) says, if enough patients have a number in every set."""
    rows = np.flatnonzero(known(values) & among)
    if are_few(patients[rows].tolist()):
        return {"left_out": FEW_PATIENTS}
    return compare_means({name: of_set[rows] for name, of_set in values.items()}, patients[rows], draws, rng)
