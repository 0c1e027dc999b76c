"""What the papers report of each record against the real one of its condition: for comparison with them, never a gate.

Phase is not conditioned, so MAE and NRMSE reward a record that says little. So beside the synthetic records stand the
real ones reconstructed, the simulator alone, a flat line, another real record, drawn, and a real record of another
patient with the same statements and sex, the age within 5 years and the rate within 5 bpm, for those that have one.

rFID is the FD of the synthetic records over that of real ones, both against the same half of the held-out patients and
at one number of records; rCLIP the CLIP score over that of the real records of the same conditions. Both are in the
features of this project's judges, which are not the papers' networks; 1 is what other real records come to.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import patient_draws
from sediff.ecg import to_millivolts
from sediff.evaluation.beside import known_interval, known_mean
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SIMULATOR, SYNTHETIC
from sediff.evaluation.strata import FEW_PATIENTS, are_few

FLAT_LINE, RANDOM, SAME_CONDITION = "flat_line", "random", "same_condition"
Floats = NDArray[np.floating]


def paired(evidence: Evidence) -> dict[str, Any]:
    """MAE in mV and NRMSE of each kind of record, means with 95 % intervals over patients, and how many there are."""
    patients, found = evidence.patients, dict[str, Any]()
    for name, rows, signals in _compared(evidence):
        of_rows = errors(to_millivolts(evidence.sets[REAL].signals[rows]), to_millivolts(signals))
        drawn = list(patient_draws(patients[rows], evidence.params.bootstraps, evidence.rng(141)))
        means = (mean_error(of, patients[rows], drawn) for of in of_rows)
        found[name] = {"records": len(rows), **dict(zip(("mae_mv", "nrmse"), means, strict=True))}
    for name in (RANDOM, SAME_CONDITION):
        found.setdefault(name, {"left_out": "there is no such real record of another patient"})
    return {"paired": found}


def relative(found: Mapping[str, Any]) -> dict[str, Any]:
    """`rfid` and `rclip` from what `likeness` and `meaning` found, each with its interval; a note without FD."""
    distances = found.get("distribution", {}).get("over_floor", {}).get(SYNTHETIC, {})
    fd = distances.get("fd")
    rfid = {"ratio": fd["median"], **fd} if fd else {"left_out": "of too few real records there is no FD"}
    return {"rfid": rfid, "rclip": found["clip"]["over_real"][SYNTHETIC]}


def errors(real: Floats, other: Floats) -> tuple[Floats, Floats]:
    """MAE in mV and NRMSE of records (n, 12, 1000), each (n,); NRMSE is NaN where the real record is flat.

    NRMSE is the root mean square error over the real record's range.
    """
    difference = (other - real).reshape(len(real), -1)
    span = np.ptp(real.reshape(len(real), -1), axis=1)
    root = np.sqrt((difference**2).mean(1))
    return np.abs(difference).mean(1), np.divide(root, span, out=np.full(len(real), np.nan), where=span > 0)


def others(patients: NDArray, rng: np.random.Generator) -> NDArray[np.intp]:
    """For each row one of another patient, drawn: (n,); there must be two patients."""
    return np.array([rng.choice(np.flatnonzero(patients != patient)) for patient in patients])


def _compared(evidence: Evidence) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.int16]]]:
    """What is set against the real records: its name, which of these, and its signals (n, 12, 1000) in µV."""
    real, every = evidence.sets[REAL].signals, np.arange(len(evidence.patients))
    for name in (SYNTHETIC, RECONSTRUCTED):
        yield name, every, evidence.sets[name].signals
    yield SIMULATOR, every, evidence.simulated.signals
    yield FLAT_LINE, every, np.zeros_like(real)
    if len(set(evidence.patients.tolist())) > 1:
        yield RANDOM, every, real[others(evidence.patients, evidence.rng(142))]
    if evidence.alike:
        yield SAME_CONDITION, np.array(list(evidence.alike)), np.stack(list(evidence.alike.values()))


def mean_error(values: Floats, patients: NDArray, drawn: Sequence[NDArray[np.intp]]) -> dict[str, Any]:
    """Mean of what is known of the rows, (n,), and its interval over draws of them; a note with too few patients."""
    if are_few(patients[np.isfinite(values)].tolist()):
        return {"left_out": FEW_PATIENTS}
    return {"mean": known_mean(values), **known_interval([known_mean(values[rows]) for rows in drawn])}
