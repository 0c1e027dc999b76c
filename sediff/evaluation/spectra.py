"""How far the spectra of sets of records lie apart: log-spectral distance by lead (Gray and Markel 1976).

The power spectrum of a set in a lead is the mean over its records of Welch's estimate. The distance of two sets is the
root mean square, over the frequencies of an ECG, of the difference of their spectra in dB: 6.02 where one is the other
at twice the amplitude.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from sediff.ecg import INDEPENDENT_LEADS, SAMPLING_RATE
from sediff.evaluation.controls import controls
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, SIMULATOR, Floats, distances_in_halves, over_floor
from sediff.evaluation.strata import ALL, FEW_PATIENTS, are_few

BAND = (0.5, 40.0)  # Hz
WINDOW = 2.0  # s
WITH_SPECTRUM = ("shuffled_leads", "noise")  # of the controls: a flat line has none


def spectra(evidence: Evidence) -> dict[str, Any]:
    """Distances of each set, of the simulator alone and of the controls from real records; a note with too few."""
    patients = evidence.patients.tolist()
    if are_few(patients):
        return {"spectra": {"left_out": FEW_PATIENTS}}
    made_up = controls(evidence.sets[REAL].leads, evidence.rng(150))
    signals = {name: of.leads for name, of in {**evidence.sets, SIMULATOR: evidence.simulated}.items()}
    signals |= {name: made_up[name] for name in WITH_SPECTRUM}
    return {"spectra": distances_by_lead(signals, patients, evidence.params.bootstraps, evidence.seed)}


def distances_by_lead(
    signals: Mapping[str, NDArray[np.float32]], patients: Sequence[str], draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Distances in dB of each set from "real", by lead and, as `all`, their mean over the leads.

    They are taken in halves of the patients, beside the floor (see `halves`).

    Args:
        signals: of each set, (n, 8, 1000) in mV, rows aligned; patients: of each row.
    """
    powers, found = {name: power(of) for name, of in signals.items()}, {}
    for place, lead in ((slice(None), ALL), *((slice(i, i + 1), lead) for i, lead in enumerate(INDEPENDENT_LEADS))):
        of_lead, rng = {name: of[:, place] for name, of in powers.items()}, np.random.default_rng([seed, 151])
        drawn = distances_in_halves(of_lead, patients, log_spectral_distance, draws, rng)
        found[lead] = {"records": len(patients), **over_floor(drawn)}
    return found


def power(signals: NDArray[np.float32]) -> Floats:
    """Welch's power spectral densities of signals (n, 8, 1000) in mV within `BAND`: (n, 8, frequencies), mV²/Hz."""
    frequency, density = welch(signals, SAMPLING_RATE, nperseg=round(WINDOW * SAMPLING_RATE))
    return np.asarray(density[..., (frequency >= BAND[0]) & (frequency <= BAND[1])], np.float64)


def log_spectral_distance(a: Floats, b: Floats) -> float:
    """Root mean square over the frequencies of the difference in dB of two sets' mean powers, mean over the leads.

    Args:
        a, b: powers of records, (n, leads, frequencies), of each set; no lead may be flat in all of its records.
    """
    difference = 10 * np.log10(a.mean(0) / b.mean(0))
    return float(np.sqrt((difference**2).mean(-1)).mean())
