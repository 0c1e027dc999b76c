"""Which pairs are shown, and of which rhythms a box is drawn."""

import numpy as np

from sediff.evaluation.pictures import FEWEST, boxes_of, draw_rhythm
from sediff.evaluation.shown import WORST, shown

STATEMENTS = [["SR"]] * 3 + [["NORM", "SR"]] * 4 + [["AFIB"], ["PVC", "SR"], ["AFIB"], ["IMI", "SR"], ["ASMI"]]


def test_the_most_frequent_the_hard_and_the_worst_are_shown(vocabulary):
    doubt = np.zeros(12)
    doubt[[5, 1, 11]] = 1, 3, 2
    chosen = shown(STATEMENTS, doubt, vocabulary, 2)
    assert list(chosen) == [3, 0, 7, 8, 10, 1, 11, 5], "nobody has CLBBB"
    assert chosen[3] == chosen[0] == "first of its condition"
    assert chosen[7] == "first with atrial fibrillation" and chosen[10] == "first with infarction"
    assert [chosen[row].partition(":")[0] for row in (1, 11, 5)] == [f"worst, {place} of 3" for place in (1, 2, 3)]


def test_no_ordinary_pairs_leave_the_others_and_none_is_shown_twice(vocabulary):
    doubt = np.zeros(12)
    doubt[7] = 1
    chosen = shown(STATEMENTS, doubt, vocabulary, 0)
    assert set(chosen) == {7, 8, 10, 0, 1} and chosen[7].startswith("worst, 1 of")
    assert len(shown([["SR"]] * 2, np.zeros(2), vocabulary, 6)) == 2 < WORST


def test_a_box_is_of_enough_records_on_both_sides(tmp_path):
    rhythms = np.array(["sinus"] * 30 + ["fibrillation"] * FEWEST + ["pacing"] * (FEWEST - 1))
    real, made = np.full(len(rhythms), 0.02), np.full(len(rhythms), 0.03)
    made[-1] = np.nan
    assert list(boxes_of(real, rhythms, made, rhythms)) == ["fibrillation", "sinus"]
    made[30] = np.nan
    found = boxes_of(real, rhythms, made, rhythms)
    assert list(found) == ["sinus"]
    assert (found["sinus"][0] == 0.02).all() and (found["sinus"][1] == 0.03).all()
    few = np.full(3, 70.0)
    draw_rhythm(few, few / 2000, few / 2000, few, [["SR"]] * 3, [["SR"]] * 3, tmp_path / "few.png")
    assert (tmp_path / "few.png").stat().st_size > 1000
