"""The simulator alone beside the sets: what a section finds of their readings, it finds of the simulator's too.

Which records count is for the sets alone to say. So a section is run twice: on the sets, and on the simulator's records
beside the real ones of the rows that count for the sets. What it finds of the former is as without a baseline.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, SIMULATOR, SYNTHETIC, Floats, known
from sediff.evaluation.readings import Readings
from sediff.evaluation.strata import FEW_PATIENTS

LEFT_OUT = "left_out"
Section = Callable[[Evidence], dict[str, Any]]


def beside_simulator(section: Section) -> Section:
    """A section that reads `Evidence.read`, with the simulator's figures beside the sets'."""

    def both(evidence: Evidence) -> dict[str, Any]:
        baseline = replace(evidence, read=baseline_of(evidence.read, evidence.read_simulated))
        return with_simulator(section(evidence), section(baseline))

    return both


def baseline_of(read: Mapping[str, Readings], simulated: Readings) -> dict[str, Readings]:
    """The simulator's readings, and the real ones with NaN in the rows that a set has no number in.

    Args:
        read: of each set; simulated: of the simulator's records; rows aligned.
    """
    names = [field.name for field in fields(Readings)]
    of_rows = {name: counting({of_set: getattr(of, name) for of_set, of in read.items()}) for name in names}
    return {SIMULATOR: simulated, REAL: Readings(**of_rows)}


def counting(values: Mapping[str, Floats]) -> Floats:
    """The real values, (n, ...), with NaN in the rows in which a set has none, or not all of a row's."""
    real = values[REAL]
    return np.where(known(values).reshape(-1, *[1] * (real.ndim - 1)), real, np.nan)


def with_simulator(found: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
    """What was found of the sets and, wherever synthetic records have a figure, the simulator's; a note without one.

    Args:
        found: of the sets; alone: of the baseline, by the same keys.
    """
    merged = {
        key: with_simulator(of, _part(alone, key)) if isinstance(of, Mapping) else of for key, of in found.items()
    }
    if SYNTHETIC not in found:
        return merged
    return merged | {SIMULATOR: alone.get(SIMULATOR, {LEFT_OUT: _note(alone, SIMULATOR)})}


def _part(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What was found at a key; the note where that was left out."""
    part = found.get(key)
    return part if isinstance(part, Mapping) else {LEFT_OUT: _note(found, key)}


def _note(found: Mapping[str, Any], key: str) -> str:
    notes = found.get(LEFT_OUT, FEW_PATIENTS)
    return notes if isinstance(notes, str) else str(notes.get(key, FEW_PATIENTS))
