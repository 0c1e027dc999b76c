"""Intervals, axis and amplitudes of the dominant beat as distributions, and median beats, within strata."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.ecg import INDEPENDENT_LEADS, LEADS
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, Floats, distances_in_halves, known, over_floor
from sediff.evaluation.strata import FEW, MIN_RECORDS, each_stratum

ALL = "all"
SCALARS = ("pr", "qrs_duration", "qt", "qtcf", "axis")
BY_LEAD = ("st", "p_amplitudes", "r_amplitudes", "t_amplitudes")
AXIS_CUT = -135.0  # degrees: the axis is unrolled where the fewest lie
# What `compared` gives, and what it is of two sets that are alike.
WASSERSTEIN, RATIO, DIFFERENCE = COMPARISONS = ("wasserstein", "deviation_ratio", "median_difference")
ALIKE = {RATIO: 1.0, DIFFERENCE: 0.0}
Drawn = Mapping[str, Floats]
Distance = Callable[[Floats, Floats], float]


def intervals(evidence: Evidence) -> dict[str, Any]:
    """Wasserstein-1 to real, over the floor, and ratio of deviations, of each quantity by stratum and over all records.

    PR, QRS duration, QT and QTcF in ms, the axis in degrees; ST level, P, R and T amplitude in mV, the mean over the
    twelve leads, and each of the eight independent ones under `by_lead`. `real_halves` is how far halves of the real
    patients' records are on average from a ratio of 1, and from no difference of medians.
    """
    found, rng = {}, evidence.rng(50)
    for name in (*SCALARS, *BY_LEAD):
        values = evidence.values(name)
        if name == "axis":
            values = {of_set: unrolled(of) for of_set, of in values.items()}
        found[name] = {
            stratum: {"left_out": FEW} if len(rows) < MIN_RECORDS else _of_stratum(values, rows, evidence, rng)
            for stratum, rows in _rows_of_strata(values, evidence)
        }
    beats = {name: _within(of) for name, of in evidence.values("median_beat").items()}
    return {"intervals": found, "median_beats": _by_stratum(beats, evidence, beat_distance, evidence.rng(51))}


def compared(a: Floats, b: Floats) -> Floats:
    """Each of `COMPARISONS` between two sets of numbers, (n, leads) and (m, leads), by lead: (3, leads).

    Wasserstein-1, the first one's deviation over the other's (NaN where that is zero), and difference of the medians.
    """
    distances = [wasserstein_distance(x, y) for x, y in zip(a.T, b.T, strict=True)]
    spread = b.std(0)
    ratios = np.divide(a.std(0), spread, out=np.full_like(spread, np.nan), where=spread > 0)
    return np.array([distances, ratios, np.median(a, axis=0) - np.median(b, axis=0)])


def beat_distance(a: Floats, b: Floats) -> float:
    """Root mean square difference, mV, of the mean median beats of two sets, (n, leads, samples), over all leads."""
    return float(np.sqrt(((a.mean(0) - b.mean(0)) ** 2).mean()))


def unrolled(axis: Floats) -> Floats:
    """Angles in degrees on [-135, 225), so that the plain distance is one along the circle for nearly all hearts."""
    return (axis - AXIS_CUT) % 360 + AXIS_CUT


def _within(beats: Floats) -> Floats:
    """Beats without each lead's mean, which says where the baseline was."""
    return beats - beats.mean(-1, keepdims=True)


def _rows_of_strata(values: Mapping[str, Floats], evidence: Evidence) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """All records and each stratum, and its rows that have a number in every set."""
    everybody = (ALL, np.ones(len(evidence.strata), bool))
    for stratum, among in (everybody, *each_stratum(evidence.strata)):
        yield stratum, np.flatnonzero(among & known(values))


def _by_stratum(
    values: Mapping[str, Floats], evidence: Evidence, distance: Distance, rng: np.random.Generator
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for stratum, rows in _rows_of_strata(values, evidence):
        if len(rows) < MIN_RECORDS:
            result[stratum] = {"left_out": FEW}
            continue
        of_rows, patients = {name: of[rows] for name, of in values.items()}, evidence.patients[rows].tolist()
        found = distances_in_halves(of_rows, patients, distance, evidence.params.bootstraps, rng)
        result[stratum] = {"records": len(rows), **over_floor(found)}
    return result


def _of_stratum(
    values: Mapping[str, Floats], rows: NDArray[np.intp], evidence: Evidence, rng: np.random.Generator
) -> dict[str, Any]:
    """Comparisons of some rows, over the leads and by lead."""
    of_rows, patients = {name: of[rows] for name, of in values.items()}, evidence.patients[rows].tolist()
    return {"records": len(rows), **compare_leads(of_rows, patients, evidence.params.bootstraps, rng)}


def compare_leads(
    values: Mapping[str, Floats], patients: Sequence[str], draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Wasserstein-1 in halves of the patients, over the floor, ratio of deviations and difference of medians.

    Of (n, 12), a column a lead, all are means over the leads, and stand under `by_lead` for each independent one.

    Args:
        values: of each set, (n,) or (n, 12), rows aligned, without NaN; patients: of each row.
    """
    columns = {name: of.reshape(len(of), -1) for name, of in values.items()}
    in_halves = {
        name: np.array(of) for name, of in distances_in_halves(columns, patients, compared, draws, rng).items()
    }
    whole = {name: compared(of, columns[REAL]) for name, of in columns.items() if name != REAL}
    distance = COMPARISONS.index(WASSERSTEIN)
    found = over_floor({name: of[:, distance].mean(-1).tolist() for name, of in in_halves.items()})
    if np.all(columns[REAL].std(0) > 0):
        found |= _departures(whole, in_halves, slice(None))
    if columns[REAL].shape[1] == len(LEADS):
        found["by_lead"] = {}
        for lead in INDEPENDENT_LEADS:
            column = slice(LEADS.index(lead), LEADS.index(lead) + 1)
            distances = {name: float(of[:, distance, column].mean()) for name, of in in_halves.items()}
            found["by_lead"][lead] = {WASSERSTEIN: distances, **_departures(whole, in_halves, column)}
    return found


def _departures(whole: Drawn, in_halves: Drawn, columns: slice) -> dict[str, dict[str, float]]:
    """Ratio of deviations and difference of medians of each set, mean over some leads, and of halves of real records.

    Args:
        whole: what `compared` gives of all rows of each set; in_halves: in each draw, (draws, 3, leads).
    """
    found = {}
    for name, alike in ALIKE.items():
        number = COMPARISONS.index(name)
        of_halves = np.abs(in_halves[REAL][:, number, columns].mean(-1) - alike)
        found[name] = {of_set: float(of[number, columns].mean()) for of_set, of in whole.items()}
        found[name]["real_halves"] = float(np.mean(of_halves))
    return found
