"""Intervals, axis and amplitudes of the dominant beat as distributions, and median beats, within strata."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, Floats, distances_in_halves, known, over_floor
from sediff.evaluation.strata import FEW, MIN_RECORDS, each_stratum

ALL = "all"
SCALARS = ("pr", "qrs_duration", "qt", "qtcf", "axis")
BY_LEAD = ("st", "p_amplitudes", "r_amplitudes", "t_amplitudes")
AXIS_CUT = -135.0  # degrees: the axis is unrolled where the fewest lie
Distance = Callable[[Floats, Floats], float]


def intervals(evidence: Evidence) -> dict[str, Any]:
    """Wasserstein-1 to real, over the floor, and ratio of deviations, of each quantity by stratum and over all records.

    PR, QRS duration, QT and QTcF in ms, the axis in degrees; ST level, P, R and T amplitude in mV, mean over the leads.
    """
    found, rng = {}, evidence.rng(50)
    for name in (*SCALARS, *BY_LEAD):
        values = evidence.values(name)
        if name == "axis":
            values = {of_set: unrolled(of) for of_set, of in values.items()}
        found[name] = _by_stratum(values, evidence, lead_wasserstein, rng)
        for stratum, entry in found[name].items():
            if "over_floor" in entry:
                entry |= _spreads(values, _rows(values, stratum, evidence))
    beats = {name: _within(of) for name, of in evidence.values("median_beat").items()}
    return {"intervals": found, "median_beats": _by_stratum(beats, evidence, beat_distance, evidence.rng(51))}


def lead_wasserstein(a: Floats, b: Floats) -> float:
    """Wasserstein-1 between two sets of numbers, (n,) and (m,), or its mean over the columns of (n, leads)."""
    if a.ndim == 1:
        return float(wasserstein_distance(a, b))
    return float(np.mean([wasserstein_distance(x, y) for x, y in zip(a.T, b.T, strict=True)]))


def beat_distance(a: Floats, b: Floats) -> float:
    """Root mean square difference, mV, of the mean median beats of two sets, (n, leads, samples), over all leads."""
    return float(np.sqrt(((a.mean(0) - b.mean(0)) ** 2).mean()))


def unrolled(axis: Floats) -> Floats:
    """Angles in degrees on [-135, 225), so that the plain distance is one along the circle for nearly all hearts."""
    return (axis - AXIS_CUT) % 360 + AXIS_CUT


def _within(beats: Floats) -> Floats:
    """Beats without each lead's mean, which says where the baseline was."""
    return beats - beats.mean(-1, keepdims=True)


def _rows(values: Mapping[str, Floats], stratum: str, evidence: Evidence) -> NDArray[np.intp]:
    among = np.ones(len(evidence.strata), bool) if stratum == ALL else evidence.strata == stratum
    return np.flatnonzero(among & known(values))


def _by_stratum(
    values: Mapping[str, Floats], evidence: Evidence, distance: Distance, rng: np.random.Generator
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for stratum in (ALL, *(name for name, _ in each_stratum(evidence.strata))):
        rows = _rows(values, stratum, evidence)
        if len(rows) < MIN_RECORDS:
            result[stratum] = {"left_out": FEW}
            continue
        of_rows, patients = {name: of[rows] for name, of in values.items()}, evidence.patients[rows].tolist()
        found = distances_in_halves(of_rows, patients, distance, evidence.params.bootstraps, rng)
        result[stratum] = {"records": len(rows), **over_floor(found)}
    return result


def _spreads(values: Mapping[str, Floats], rows: NDArray[np.intp]) -> dict[str, Any]:
    """Standard deviation over real's, and difference of the medians, each the mean over leads."""
    made = {name: of[rows] for name, of in values.items() if name != REAL}
    real = values[REAL][rows]
    spread, middle = real.std(0), np.median(real, axis=0)
    if not np.all(spread > 0):
        return {}
    return {
        "deviation_ratio": {name: float(np.mean(of.std(0) / spread)) for name, of in made.items()},
        "median_difference": {name: float(np.mean(np.median(of, axis=0) - middle)) for name, of in made.items()},
    }
