"""Quantities of three aligned sets (synthetic, reconstructed, real) beside a floor of real records against real ones.

Row i of each set has the same condition. A draw halves the patients: the real records of one half are what is
compared with, those of the other half give the floor, and the synthetic and reconstructed records of that other
half's conditions stand in their place. So all are taken at one number, and a perfect generator reaches the floor, no
less.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws

SYNTHETIC, RECONSTRUCTED, REAL = SETS = ("synthetic", "reconstructed", "real")
SIMULATOR = "simulator"  # alone: a baseline beside the sets, see `prior`
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
T = TypeVar("T", float, Floats)
ZERO_FLOOR = "the floor is zero"


def patient_halves(patients: Sequence[str], rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Random halves of the records, in random order, that share no patient."""
    unique = sorted(set(patients))
    first = set(rng.permutation(unique)[: len(unique) // 2].tolist())
    inside = np.array([patient in first for patient in patients])
    return rng.permutation(np.flatnonzero(inside)), rng.permutation(np.flatnonzero(~inside))


def distances_in_halves(
    values: Mapping[str, Floats],
    patients: Sequence[str],
    distance: Callable[[Floats, Floats], T],
    draws: int,
    rng: np.random.Generator,
) -> dict[str, list[T]]:
    """Distance of each set from real records in each draw, by the set's name; that of "real" is the floor.

    Args:
        values: of each set, (n, ...), rows aligned; patients: of each row.
    """
    found: dict[str, list[T]] = {name: [] for name in values}
    for _ in range(draws):
        first, second = patient_halves(patients, rng)
        size = min(len(first), len(second))
        for name, of_set in values.items():
            found[name].append(distance(of_set[second[:size]], values[REAL][first[:size]]))
    return found


def over_floor(found: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Intervals of distances over draws, and the mean of each set's over the mean of the floor's; None over zero."""
    floor = float(np.mean(found[REAL]))
    made = [name for name in found if name != REAL]
    ratios = {name: float(np.mean(found[name])) / floor for name in made} if floor > 0 else no_ratios(made)
    return {**{name: interval(values) for name, values in found.items()}, "over_floor": ratios}


def no_ratios(made: Iterable[str]) -> dict[str, Any]:
    """What stands in the place of each set's ratio to a floor that is zero."""
    return {**dict.fromkeys(made), "left_out": ZERO_FLOOR}


def pooled_over_floor(found: Mapping[str, Mapping[str, Floats]], counts: Mapping[str, int]) -> dict[str, Any]:
    """By set: mean over draws of its distances over the floor's, and the interval; None where the floor is zero.

    Args:
        found: distances of each set in each draw, (draws,), by stratum; counts: records of each, by which it weighs.
    """
    sums = {
        name: np.sum([counts[stratum] * of[name] for stratum, of in found.items()], axis=0)
        for name in next(iter(found.values()))
    }
    floor = float(sums.pop(REAL).mean())
    if not floor:
        return no_ratios(sums)
    return {name: {"mean": float(of.mean()) / floor, **interval((of / floor).tolist())} for name, of in sums.items()}


def compare_means(
    values: Mapping[str, Floats], patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Mean of each set, and its difference from that of the real records with a bootstrap interval.

    Its ratio to real is None where the quantity may be negative. The floor, `real_halves`, is the mean absolute
    difference between random halves of the real patients.

    Args:
        values: of each set, (n,), rows aligned, without NaN; patients: of each row, (n,).
    """
    made = [name for name in values if name != REAL]
    means = {name: float(of_set.mean()) for name, of_set in values.items()}
    drawn = list(patient_draws(patients, draws, rng))
    halves = [patient_halves(patients.tolist(), rng) for _ in range(draws)]
    real = values[REAL]
    ratios = means[REAL] > 0 and all((of_set >= 0).all() for of_set in values.values())
    over_real = {name: means[name] / means[REAL] for name in made} if ratios else None
    floor = [abs(real[first].mean() - real[second].mean()) for first, second in halves]
    note = {} if ratios else {"left_out": {"over_real": "real's mean is not above zero, or a value is below it"}}
    return {
        "records": len(patients),
        **means,
        "difference": {
            name: {
                "mean": means[name] - means[REAL],
                **interval([float((values[name][rows] - real[rows]).mean()) for rows in drawn]),
            }
            for name in made
        },
        "over_real": over_real,
        "real_halves": float(np.mean(floor)),
        **note,
    }


def known(values: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Rows (n,) that have a number, or all of a row's numbers, in every set."""
    found = [np.isfinite(of_set).reshape(len(of_set), -1).all(1) for of_set in values.values()]
    return np.asarray(np.all(found, axis=0))
