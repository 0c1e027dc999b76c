"""Intervals, axis and amplitudes of the dominant beat as distributions, and median beats, within strata."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import wasserstein_distance

from sediff.ecg import INDEPENDENT_LEADS, LEADS
from sediff.evaluation.beside import known_mean
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, Floats, distances_in_halves, known, over_floor
from sediff.evaluation.strata import FEW_PATIENTS, all_and_each_stratum, are_few

SCALARS = ("pr", "qrs_duration", "qt", "qtcf", "axis")
BY_LEAD = ("st", "p_amplitudes", "r_amplitudes", "t_amplitudes")
AXIS_CUT = -135.0  # degrees: the axis is unrolled where the fewest lie
# What `compared` gives, and what it is of two sets that are alike.
WASSERSTEIN, RATIO, DIFFERENCE = COMPARISONS = ("wasserstein", "deviation_ratio", "median_difference")
ALIKE = {RATIO: 1.0, DIFFERENCE: 0.0}
Drawn = Mapping[str, Floats]
CONSTANT = "the real records do not vary"


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
            stratum: compare_leads(of_rows, patients, evidence.params.bootstraps, rng)
            for stratum, of_rows, patients in _strata(values, evidence)
        }
    beats = {name: _within(of) for name, of in evidence.values("median_beat").items()}
    rng = evidence.rng(51)
    median_beats = {
        stratum: compare_beats(of_rows, patients, evidence.params.bootstraps, rng)
        for stratum, of_rows, patients in _strata(beats, evidence)
    }
    return {"intervals": found, "median_beats": median_beats}


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


def _strata(values: Mapping[str, Floats], evidence: Evidence) -> Iterator[tuple[str, dict[str, Floats], list[str]]]:
    """All records and each stratum: values and patients of its rows that have a number in every set."""
    for stratum, among in all_and_each_stratum(evidence.strata):
        rows = among & known(values)
        yield stratum, {name: of[rows] for name, of in values.items()}, evidence.patients[rows].tolist()


def compare_beats(
    beats: Mapping[str, Floats], patients: Sequence[str], draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """`beat_distance` to real in halves of the patients, over the floor; a note with too few patients.

    Args:
        beats: of each set, (n, leads, samples), rows aligned, without NaN; patients: of each row.
    """
    if are_few(patients):
        return {"left_out": FEW_PATIENTS}
    found = distances_in_halves(beats, patients, beat_distance, draws, rng)
    return {"records": len(patients), **over_floor(found)}


def compare_leads(
    values: Mapping[str, Floats], patients: Sequence[str], draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Wasserstein-1 in halves of the patients, over the floor, ratio of deviations and difference of medians.

    Of (n, 12), a column a lead, all are means over the leads, and stand under `by_lead` for each independent one. A
    note where patients are too few, and in the place of what real records that are all the same give no measure of.

    Args:
        values: of each set, (n,) or (n, 12), rows aligned, without NaN; patients: of each row.
    """
    if are_few(patients):
        return {"left_out": FEW_PATIENTS}
    columns = {name: of.reshape(len(of), -1) for name, of in values.items()}
    in_halves = {
        name: np.array(of) for name, of in distances_in_halves(columns, patients, compared, draws, rng).items()
    }
    whole = {name: compared(of, columns[REAL]) for name, of in columns.items() if name != REAL}
    distance = COMPARISONS.index(WASSERSTEIN)
    found = {
        "records": len(patients),
        **over_floor({name: of[:, distance].mean(-1).tolist() for name, of in in_halves.items()}),
        **_departures(whole, in_halves, slice(None)),
    }
    if columns[REAL].shape[1] == len(LEADS):
        found["by_lead"] = {}
        for lead in INDEPENDENT_LEADS:
            column = slice(LEADS.index(lead), LEADS.index(lead) + 1)
            distances = {name: float(of[:, distance, column].mean()) for name, of in in_halves.items()}
            found["by_lead"][lead] = {WASSERSTEIN: distances, **_departures(whole, in_halves, column)}
    return found


def _departures(whole: Drawn, in_halves: Drawn, columns: slice) -> dict[str, dict[str, Any]]:
    """Ratio of deviations and difference of medians of each set, mean over some leads, and of halves of real records.

    Args:
        whole: what `compared` gives of all rows of each set; in_halves: in each draw, (draws, 3, leads).
    """
    found = {}
    for name, alike in ALIKE.items():
        number = COMPARISONS.index(name)
        of_halves = np.abs(in_halves[REAL][:, number, columns].mean(-1) - alike)
        of_sets = {of_set: float(of[number, columns].mean()) for of_set, of in whole.items()}
        constant = not all(np.isfinite(of) for of in of_sets.values())
        found[name] = {"left_out": CONSTANT} if constant else {**of_sets, "real_halves": known_mean(of_halves)}
    return found
