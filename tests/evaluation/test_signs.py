"""Signs by lead, on averaged beats that are drawn with and without them."""

import numpy as np
import pytest

from sediff.delineation import Delineation
from sediff.delineation.waves import Marks
from sediff.ecg import INDEPENDENT_LEADS
from sediff.evaluation.signs import SIGNS, read_signs

ONSET = 150  # samples at 500 Hz
NONE = np.empty(0)
# Waves of a lead: amplitude in mV, and centre and half width in ms after the QRS's onset.
Waves = list[tuple[float, float, float]]
NORMAL: dict[str, Waves] = {
    "I": [(0.8, 40, 10)], "II": [(1.0, 40, 10)], "V1": [(0.2, 25, 7), (-0.9, 50, 10)],
    "V2": [(0.4, 30, 8), (-1, 55, 10)],
    "V3": [(0.7, 35, 9), (-0.6, 60, 9)], "V4": [(1.2, 40, 10)], "V5": [(1.3, 40, 10)], "V6": [(1.1, 40, 10)],
}  # fmt: skip


def beat(duration: float = 90, pr: float = 160, **leads: Waves) -> Delineation:
    """The dominant beat of a record whose leads have these waves, the others normal ones."""
    t = (np.arange(400) - ONSET) * 2.0
    waves = NORMAL | leads
    average = np.stack(
        [sum(a * np.exp(-0.5 * ((t - at) / width) ** 2) for a, at, width in waves[lead]) for lead in INDEPENDENT_LEADS]
    )
    marks = Marks(ONSET + 20, ONSET - pr / 2, ONSET - pr / 2 + 45, ONSET, ONSET + duration / 2, ONSET + 180)
    return Delineation(NONE, NONE, NONE, NONE, NONE, NONE, NONE.astype(int), NONE.astype(str), average, marks)


DELTA: dict[str, Waves] = {lead: [(0.5, 50, 18), (1.0, 75, 9)] for lead in NORMAL}
CASES = {
    "rsr_v1": beat(140, V1=[(0.3, 25, 8), (-0.5, 50, 8), (0.9, 95, 14)], V6=[(1, 40, 10), (-0.4, 95, 18)]),
    "wide_s_i": beat(140, I=[(0.8, 40, 10), (-0.4, 95, 18)]),
    "wide_s_v6": beat(140, V6=[(1, 40, 10), (-0.4, 95, 18)]),
    "broad_r_v6": beat(150, V6=[(1.2, 70, 24)]),
    "rs_v1": beat(150, V1=[(0.1, 15, 6), (-1.8, 70, 22)], V6=[(1.2, 70, 24)]),
    "q_inferior": beat(100, II=[(-0.4, 20, 9), (0.6, 60, 10)], I=[(0.9, 45, 10)]),
    "q_anterior": beat(100, V2=[(-1.2, 40, 14)], V3=[(-0.5, 20, 9), (0.5, 60, 9)]),
    "sokolow_lyon": beat(V1=[(0.2, 25, 7), (-1.9, 50, 10)], V5=[(2.4, 40, 10)]),
    "delta": beat(140, pr=90, **DELTA),
    "st_elevation_inferior": beat(II=[*NORMAL["II"], (0.25, 150, 60)], I=[(0.8, 40, 10), (0.02, 150, 60)]),
    "st_elevation_anterior": beat(V2=[*NORMAL["V2"], (0.4, 150, 60)], V3=[*NORMAL["V3"], (0.4, 150, 60)]),
    "st_depression_inferior": beat(II=[*NORMAL["II"], (-0.2, 150, 60)]),
    "st_depression_anterior": beat(V3=[*NORMAL["V3"], (-0.2, 150, 60)], V4=[*NORMAL["V4"], (-0.2, 150, 60)]),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_is_seen_where_it_was_drawn_and_in_no_normal_beat(sign):
    assert read_signs(CASES[sign])[sign] == 1
    assert read_signs(beat())[sign] == 0


def test_bundle_branch_blocks_are_told_apart():
    assert read_signs(CASES["rsr_v1"])["rs_v1"] == 0
    assert read_signs(CASES["rs_v1"])["rsr_v1"] == 0


def test_the_leads_of_a_block_are_told_apart():
    """The wide S of a right block in I alone or V6 alone; of a left block's R in V6 without its QS or rS in V1."""
    assert (read_signs(CASES["wide_s_i"])["wide_s_v6"], read_signs(CASES["wide_s_v6"])["wide_s_i"]) == (0, 0)
    upright = read_signs(beat(150, V1=[(0.9, 50, 15)], V6=[(1.2, 70, 24)]))
    assert (upright["broad_r_v6"], upright["rs_v1"]) == (1, 0)
    assert all(read_signs(CASES["rsr_v1"])[sign] == of for sign, of in (("wide_s_v6", 1), ("wide_s_i", 0)))


def test_a_short_pr_before_a_fast_upstroke_is_no_delta_wave_nor_is_a_slow_one_after_a_usual_pr():
    assert read_signs(beat(140, pr=90))["delta"] == 0
    assert read_signs(beat(140, pr=160, **DELTA))["delta"] == 0
    assert read_signs(beat(140, pr=float("nan"), **DELTA))["delta"] == 1, "flutter hides the P waves"


def test_st_levels_of_leads_that_are_no_neighbours_are_no_sign():
    raised = {lead: [*NORMAL[lead], (0.4, 150, 60)] for lead in ("V1", "V3")}
    assert read_signs(beat(**raised))["st_elevation_anterior"] == 0


def test_v2_and_v3_may_be_raised_by_a_tenth_of_a_millivolt_in_health():
    little = {lead: [*NORMAL[lead], (0.2, 150, 60)] for lead in ("V2", "V3")}
    assert read_signs(beat(**little))["st_elevation_anterior"] == 0


def test_a_narrow_rsr_is_no_complete_block():
    narrow = beat(100, V1=[(0.3, 25, 8), (-0.5, 50, 8), (0.5, 80, 8)], V6=[(1, 40, 10), (-0.4, 75, 14)])
    assert read_signs(narrow)["rsr_v1"] == 0


def test_an_r_before_a_negative_wave_makes_no_q():
    """An rS in the inferior leads, as of a left anterior hemiblock."""
    assert read_signs(beat(100, II=[(0.3, 20, 8), (-0.6, 60, 14)], I=[(0.9, 40, 10)]))["q_inferior"] == 0


def test_without_a_beat_nothing_is_said():
    empty = Delineation(NONE, NONE, NONE, NONE, NONE, NONE, NONE.astype(int), NONE.astype(str), np.empty((8, 0)), None)
    assert all(np.isnan(value) for value in read_signs(empty).values())
