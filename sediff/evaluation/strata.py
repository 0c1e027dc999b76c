"""Strata of records by rhythm, within which what varies with the rhythm is compared."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.simulator.rhythm import (
    ATRIAL_ECTOPIC,
    BIGEMINY,
    ECTOPIC,
    FIBRILLATION,
    SINUS,
    TACHYCARDIA,
    TRIGEMINY,
    rhythm_of,
)

STRATA = ("sinus", "bradycardia", "tachycardia", "fibrillation", "ectopy")
OTHER = "other"
ALL = "all"  # records, or leads, of whatever kind
MIN_RECORDS = 20  # of a stratum, or patients: halves of fewer tell nothing
FEW = f"fewer than {MIN_RECORDS} records"
FEW_PATIENTS = f"fewer than {MIN_RECORDS} patients"
_OF_RHYTHM = {
    SINUS: "sinus",
    TACHYCARDIA: "tachycardia",
    FIBRILLATION: "fibrillation",
    **dict.fromkeys((ECTOPIC, ATRIAL_ECTOPIC, BIGEMINY, TRIGEMINY), "ectopy"),
}


def stratum_of(statements: Sequence[str]) -> str:
    """Sinus rhythm, sinus bradycardia, tachycardia (sinus or supraventricular), fibrillation, ectopy, or other."""
    rhythm = rhythm_of(statements)
    if rhythm == SINUS and {"SBRAD", "STACH"} & set(statements):
        return "bradycardia" if "SBRAD" in statements else "tachycardia"
    return _OF_RHYTHM.get(rhythm, OTHER)


def strata_of(statements: Sequence[Sequence[str]]) -> NDArray[np.str_]:
    """The stratum of each record, (n,)."""
    return np.array([stratum_of(codes) for codes in statements])


def each_stratum(strata: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name of each stratum, and which of the records, (n,), are of it."""
    for name in STRATA:
        yield name, strata == name


def all_and_each_stratum(strata: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """All records, and then each stratum: its name, and which of the records, (n,), are of it."""
    yield ALL, np.ones(len(strata), bool)
    yield from each_stratum(strata)


def are_few(patients: Iterable[str]) -> bool:
    """Whether records are of fewer than `MIN_RECORDS` patients, each of whom may have several."""
    return len(set(patients)) < MIN_RECORDS
