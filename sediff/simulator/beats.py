"""Median beats over the phase θ, of records and of the classes that they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS, SAMPLES, SAMPLING_RATE, to_millivolts
from sediff.errors import UserError
from sediff.progress import track
from sediff.simulator.morphology import ALL, DOWNWARD, EVERYBODY, OWN, SUPERCLASS, UPWARD
from sediff.simulator.rhythm import NORMAL
from sediff.vocabulary import Vocabulary

POINTS = 128  # of a beat, θ from −π

Beats = NDArray[np.float32]


@dataclass(frozen=True)
class ClassBeat:
    """Median beat of the training records of a statement, a superclass or all, (8, 128) in mV over θ.

    `t_end` is the θ at which T ends, the median of those records; NaN where none tells.
    """

    name: str
    source: str
    heart_rate: float
    beat: NDArray[np.float64]
    t_end: float = float("nan")


@dataclass(frozen=True)
class Standing:
    """Which beat stands for a statement, and how many training records have the statement."""

    statement: str
    count: int
    beat: int


def median_beats(
    signals: NDArray[np.int16],
    peaks: Sequence[NDArray[np.float64]],
    kinds: Sequence[Sequence[str]],
    heart_rates: NDArray[np.floating],
    kind: str = NORMAL,
) -> Beats:
    """Median of each record's complete beats of one kind; a sample τ seconds after R lies at θ = 2πτ/RR.

    RR is 60 / heart rate for all of a record's beats: a pause lengthens none of a beat's waves.

    Args:
        signals: int16 microvolts, (records, 8, 1000).
        peaks, kinds: of each record its R peaks in s and what beats they are.
        heart_rates: bpm.

    Returns:
        (records, 8, 128) in mV; NaN where no beat of that kind is complete or the rate is not known.
    """
    result = np.full((len(signals), len(INDEPENDENT_LEADS), POINTS), np.nan, np.float32)
    share = np.arange(POINTS) / POINTS - 0.5
    for record in track(range(len(signals)), len(signals), "simulator: median beats"):
        if not np.isfinite(heart_rates[record]):
            continue
        of_kind = peaks[record][np.array(kinds[record]) == kind]
        position = (of_kind[:, None] + share * 60 / heart_rates[record]) * SAMPLING_RATE
        position = position[(position[:, 0] >= 0) & (position[:, -1] <= SAMPLES - 1)]
        if len(position):
            left = np.minimum(position.astype(int), SAMPLES - 2)
            fraction = (position - left).astype(np.float32)
            x = to_millivolts(signals[record])
            result[record] = np.median(x[:, left] * (1 - fraction) + x[:, left + 1] * fraction, axis=1)
    return result


def class_beats(
    beats: Beats,
    statements: Sequence[Sequence[str]],
    heart_rates: NDArray[np.floating],
    t_ends: NDArray[np.floating],
    vocabulary: Vocabulary,
    min_records: int,
) -> tuple[list[ClassBeat], list[Standing]]:
    """Median over records for each statement that occurs; too few fall back to the superclass, then to all.

    Args:
        beats: `median_beats`.
        statements, heart_rates, t_ends: of each record; the rate in bpm, and T's end in s after R, NaN if not known.

    Raises:
        UserError: no training record has a heart rate, or none a complete beat.
    """
    if not np.isfinite(heart_rates).any():
        raise UserError("No training record of the corpus has a heart rate: check corpus.screening.")
    usable = complete(beats)
    if not usable.any():
        raise UserError("No training record of the corpus has a complete beat: check corpus.screening.")
    superclasses = [vocabulary.superclasses(row) for row in statements]
    made: dict[tuple[str, str], int] = {}
    result: list[ClassBeat] = []

    def beat_of(name: str, source: str, rows: NDArray[np.bool_]) -> int:
        if (name, source) not in made:
            made[name, source] = len(result)
            result.append(_class_beat(name, source, beats, heart_rates, rows, t_ends))
        return made[name, source]

    standings = [Standing(ALL, int(usable.sum()), beat_of(ALL, EVERYBODY, usable))]
    for code, own in _rows_with(statements, vocabulary.codes, usable).items():
        superclass = vocabulary[code].superclass
        wider = np.array([superclass in row for row in superclasses]) & usable
        if own.sum() >= min_records:
            beat = beat_of(code, OWN, own)
        elif superclass and wider.sum() >= min_records:
            beat = beat_of(superclass, SUPERCLASS, wider)
        else:
            beat = beat_of(ALL, EVERYBODY, usable)
        standings.append(Standing(code, int(own.sum()), beat))
    return result, standings


def ventricular_beats(beats: Beats, heart_rates: NDArray[np.floating], min_records: int) -> list[tuple[ClassBeat, int]]:
    """Median ectopic beats whose V1 points up, as from the left ventricle, and down; with the records of each.

    A direction with fewer than `min_records` has none. `beats` are `median_beats` of the ectopic kind.
    """
    usable = complete(beats)
    v1 = beats[:, INDEPENDENT_LEADS.index("V1"), POINTS // 2 - POINTS // 8 : POINTS // 2 + POINTS // 8]
    up = (v1 - np.median(v1, axis=-1, keepdims=True)).sum(-1) > 0
    directions = ((UPWARD, usable & up), (DOWNWARD, usable & ~up))
    return [
        (_class_beat(name, OWN, beats, heart_rates, rows), int(rows.sum()))
        for name, rows in directions
        if rows.sum() >= min_records
    ]


def complete(beats: Beats) -> NDArray[np.bool_]:
    """Which records have a median beat."""
    return np.asarray(np.isfinite(beats).all((1, 2)))


def _class_beat(
    name: str,
    source: str,
    beats: Beats,
    heart_rates: NDArray[np.floating],
    rows: NDArray[np.bool_],
    t_ends: NDArray[np.floating] | None = None,
) -> ClassBeat:
    beat = np.median(beats[rows], axis=0).astype(np.float64)
    end = np.empty(0) if t_ends is None else 2 * np.pi * (t_ends * heart_rates / 60)[rows]
    end = end[np.isfinite(end)]
    t_end = float(np.median(end)) if len(end) else float("nan")
    return ClassBeat(name, source, float(np.median(heart_rates[rows])), beat, t_end)


def _rows_with(
    statements: Sequence[Sequence[str]], codes: tuple[str, ...], usable: NDArray[np.bool_]
) -> Mapping[str, NDArray[np.bool_]]:
    """For each code that occurs among the usable records, a mask of those that have it."""
    masks = {code: np.array([code in row for row in statements]) & usable for code in codes}
    return {code: mask for code, mask in masks.items() if mask.any()}
