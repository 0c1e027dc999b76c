"""How sure the statement judge is of what was asked for: its logits of synthetic records beside those of real ones.

A generator that exaggerates a statement is read better than real records are. That shows here as a positive shift.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.bootstrap import interval, patient_draws
from sediff.evaluation.halves import REAL, Floats, compare_means, distances_in_halves, over_floor, pooled_over_floor

POOLED = "pooled"
Truth = NDArray[np.bool_]


def logit_distances(
    truth: Truth,
    logits: Mapping[str, Floats],
    codes: Sequence[str],
    patients: NDArray,
    min_patients: int,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """For each statement the logits of the records asked for it, against those of the real records that have it.

    In units of the real ones' deviation: the shift of the mean, beside the mean absolute shift between random halves
    of the real patients, and Wasserstein-1, beside its floor (see `halves`). Pooled are the shift over all pairs of a
    record and a statement, and the distances over their floor.

    Args:
        truth: what is asked for, (n, statements); logits: of each set, the same shape, rows aligned.
        codes: of the statements; patients: of each row.
        min_patients: whom a statement needs, or else halves are too few; other statements are named in a note.
    """
    counts = np.array([len(set(patients[asked].tolist())) for asked in truth.T])
    columns = np.flatnonzero(counts >= min_patients)
    few = [code for code, count in zip(codes, counts, strict=True) if count < min_patients]
    result: dict[str, Any] = dict.fromkeys((*codes, POOLED))
    distances: dict[str, dict[str, Floats]] = {}
    truth, scaled = truth[:, columns], _in_deviations(truth, logits, columns)
    for column, asked in enumerate(truth.T):
        of_rows, owners = {name: of_set[asked, column] for name, of_set in scaled.items()}, patients[asked]
        compared = compare_means(of_rows, owners, draws, rng)
        drawn = distances_in_halves(of_rows, owners.tolist(), wasserstein_distance, draws, rng)
        code = codes[columns[column]]
        result[code] = {
            "records": len(owners),
            "shift": compared["difference"],
            "real_halves": compared["real_halves"],
            "wasserstein": over_floor(drawn),
        }
        distances[code] = {name: np.array(of_set) for name, of_set in drawn.items()}
    if distances:
        records = {code: int(result[code]["records"]) for code in distances}
        shift = _pooled_shift(truth, scaled, list(patient_draws(patients, draws, rng)))
        result[POOLED] = {"shift": shift, "over_floor": pooled_over_floor(distances, records)}
    return result | ({"left_out": f"fewer than {min_patients} patients with {', '.join(few)}"} if few else {})


def _in_deviations(truth: Truth, logits: Mapping[str, Floats], columns: NDArray[np.intp]) -> dict[str, Floats]:
    """Logits of some statements, less the mean of the real records that have each and over their deviation."""
    real = [logits[REAL][truth[:, column], column] for column in columns]
    means, deviations = (np.array([statistic(of) for of in real]) for statistic in (np.mean, np.std))
    return {name: (of_set[:, columns] - means) / deviations for name, of_set in logits.items()}


def _pooled_shift(truth: Truth, scaled: Mapping[str, Floats], drawn: Sequence[NDArray[np.intp]]) -> dict[str, Any]:
    """Of each set the mean difference from real over all that was asked, and its interval over draws of rows."""
    asked = truth.sum(1)
    found = {}
    for name in (name for name in scaled if name != REAL):
        differences = np.where(truth, scaled[name] - scaled[REAL], 0).sum(1)
        draws = [float(differences[rows].sum() / asked[rows].sum()) for rows in drawn if asked[rows].any()]
        found[name] = {"mean": float(differences.sum() / asked.sum()), **interval(draws)}
    return found
