"""Signs by lead that a statement's definition names, and their prevalence beside real's.

Amplitudes in mV, durations in ms, on the dominant beat of a record. Definitions follow the AHA/ACCF/HRS
recommendations (Surawicz et al., Circulation 119:e235, 2009; Hancock et al., Circulation 119:e251, 2009) and the
Universal Definition of Myocardial Infarction (Thygesen et al. 2018), as far as one averaged beat can tell.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sediff.delineation import Delineation
from sediff.delineation.waves import RATE
from sediff.ecg import INDEPENDENT_LEADS, LIMB_LEADS

LEVEL = 8  # samples before the QRS whose median is the isoelectric level
SMALLEST = 0.05  # mV: of a wave within the QRS
WIDE_S = 40.0  # ms
BROAD_QRS = 120.0  # ms
Q_DURATION, Q_SHARE = 30.0, 0.25  # ms, share of R
SOKOLOW_LYON = 3.5  # mV
SHORT_PR = 130.0  # ms: 120, and one sample of a record
BEGUN, RISING, SLURRED = 0.08, 0.6, 30.0  # shares of a QRS's highest speed, and ms between them in a delta wave
ST_SAMPLES = 20  # after the J point, 40 ms: their median is its level
ELEVATION = 0.1  # mV, and in V2 and V3, where healthy hearts have some, twice that
DEPRESSION = 0.05  # mV
INFERIOR, ANTERIOR = ("II", "III", "aVF"), ("V1", "V2", "V3", "V4")
Floats = NDArray[np.float64]

SIGNS = (
    "rsr_v1",
    "wide_s_i",
    "wide_s_v6",
    "rs_v1",
    "broad_r_v6",
    "q_inferior",
    "q_anterior",
    "st_elevation_inferior",
    "st_elevation_anterior",
    "st_depression_inferior",
    "st_depression_anterior",
    "sokolow_lyon",
    "delta",
)
# The signs that are looked for in the records of a statement.
OF_STATEMENT = {
    "CRBBB": ("rsr_v1", "wide_s_i", "wide_s_v6"),
    "CLBBB": ("rs_v1", "broad_r_v6"),
    "IMI": ("q_inferior", "st_elevation_inferior"),
    "ASMI": ("q_anterior", "st_elevation_anterior"),
    "AMI": ("q_anterior", "st_elevation_anterior"),
    "INJIN": ("st_depression_inferior",),
    "INJAS": ("st_depression_anterior",),
    "LVH": ("sokolow_lyon",),
    "VCLVH": ("sokolow_lyon",),
    "WPW": ("delta",),
    "NORM": ("q_inferior", "q_anterior", "st_elevation_inferior", "st_elevation_anterior", "delta"),
}


def read_signs(beats: Delineation) -> dict[str, float]:
    """Whether the dominant beat has each sign, 1 or 0; NaN where it has no QRS.

    Of a QRS of 120 ms: `rsr_v1`: V1 with a second R after an S, and a wide S in I or V6; `wide_s_i`, `wide_s_v6`: that
    S alone; `rs_v1`: V1 with QS or rS, and a broad R without q or S in V6; `broad_r_v6`: that R alone. Of any:
    `q_inferior`, `q_anterior`: pathological Q in two of II, III, aVF, in two of V1 to V4; `st_elevation_*`,
    `st_depression_*`: of the J point in two of II, III, aVF, in two neighbours of V1 to V4; `sokolow_lyon`: S in V1
    with R in V5 or V6; `delta`: a slurred upstroke after a short PR or no P wave at all. Of PTB-XL's records of WPW a
    third have it as it is read here, of normal ones one in a hundred.
    """
    if not beats.average.shape[1]:
        return dict.fromkeys(SIGNS, float("nan"))
    marks = beats.marks
    onset, offset = int(marks.qrs_onset), int(marks.qrs_offset)
    average = beats.average - np.median(beats.average[:, max(0, onset - LEVEL) : onset + 1], axis=1, keepdims=True)
    limb = LIMB_LEADS @ average[:2]
    leads = dict(zip(INDEPENDENT_LEADS, average, strict=True)) | {"III": limb[0], "aVF": limb[3]}
    qrs = {name: lead[onset : offset + 1] for name, lead in leads.items()}
    st = {name: float(np.median(lead[offset : offset + ST_SAMPLES + 1])) for name, lead in leads.items()}
    pr = 1000 * (marks.qrs_onset - marks.p_onset) / RATE
    broad = 1000 * (offset - onset) / RATE >= BROAD_QRS
    wide_s = {lead: broad and _wide_s(qrs[lead]) for lead in ("I", "V6")}
    broad_r = broad and _is_broad_r(qrs["V6"])
    found = {
        "rsr_v1": _has_second_r(qrs["V1"]) and any(wide_s.values()),
        "wide_s_i": wide_s["I"],
        "wide_s_v6": wide_s["V6"],
        "rs_v1": _is_rs(qrs["V1"]) and broad_r,
        "broad_r_v6": broad_r,
        "q_inferior": sum(_has_q(qrs[lead]) for lead in INFERIOR) >= 2,
        "q_anterior": sum(_has_q(qrs[lead]) for lead in ANTERIOR) >= 2,
        "st_elevation_inferior": sum(_is_raised(st, lead) for lead in INFERIOR) >= 2,
        "st_elevation_anterior": _in_neighbours([_is_raised(st, lead) for lead in ANTERIOR]),
        "st_depression_inferior": sum(st[lead] <= -DEPRESSION for lead in INFERIOR) >= 2,
        "st_depression_anterior": _in_neighbours([st[lead] <= -DEPRESSION for lead in ANTERIOR]),
        "sokolow_lyon": -qrs["V1"].min() + max(qrs["V5"].max(), qrs["V6"].max()) >= SOKOLOW_LYON,
        "delta": not pr >= SHORT_PR and _is_slurred(average, onset, offset),
    }
    return {name: float(found[name]) for name in SIGNS}


def _is_raised(st: dict[str, float], lead: str) -> bool:
    return st[lead] >= (2 * ELEVATION if lead in ("V2", "V3") else ELEVATION)


def _in_neighbours(found: list[bool]) -> bool:
    """Whether two leads beside each other have it."""
    return any(one and other for one, other in pairwise(found))


def _is_slurred(beat: Floats, onset: int, offset: int) -> bool:
    """Whether the QRS of a beat (8, samples) rises slowly, by its speed over all leads together."""
    speed = np.sqrt((np.diff(beat) ** 2).sum(0))
    fastest = speed[onset:offset].max(initial=0.0)
    rising = onset + int((speed[onset:offset] >= RISING * fastest).argmax())
    still = np.flatnonzero(speed[:rising] < BEGUN * fastest)
    return bool(len(still) and 1000 * (rising - still[-1]) / RATE >= SLURRED)


def _has_second_r(qrs: Floats) -> bool:
    """A peak, a trough below it by `SMALLEST`, and a later peak above that trough and above the level."""
    trough = _deepest_between_peaks(qrs)
    if trough is None:
        return False
    return bool(qrs[:trough].max() > SMALLEST / 2 and qrs[trough:].max() > SMALLEST)


def _deepest_between_peaks(qrs: Floats) -> int | None:
    before, after = np.maximum.accumulate(qrs), np.maximum.accumulate(qrs[::-1])[::-1]
    depth = np.minimum(before, after) - qrs
    place = int(depth.argmax())
    return place if depth[place] > SMALLEST else None


def _wide_s(qrs: Floats) -> bool:
    """Below the level for 40 ms after its R."""
    after = qrs[int(qrs.argmax()) :] < -SMALLEST / 2
    return bool(1000 * after.sum() / RATE >= WIDE_S)


def _is_rs(qrs: Floats) -> bool:
    return bool(qrs.max() < 0.3 * -qrs.min())


def _is_broad_r(qrs: Floats) -> bool:
    """Upright, with neither q nor S of a tenth of its R."""
    return bool(qrs.max() > SMALLEST and -qrs.min() < 0.1 * qrs.max() + SMALLEST / 2)


def _has_q(qrs: Floats) -> bool:
    """An initial negative wave of 30 ms and a quarter of the R; a QS too."""
    below = qrs < -SMALLEST / 2
    if not below.any():
        return False
    start = int(below.argmax())
    if qrs[:start].max(initial=0.0) > SMALLEST:
        return False
    end = start + int((~below[start:]).argmax()) if not below[start:].all() else len(qrs)
    deep = -qrs[start:end].min() >= Q_SHARE * max(float(qrs.max()), SMALLEST)
    return bool(deep and 1000 * (end - start) / RATE >= Q_DURATION)
