"""Patterns that no heart makes, each planted in a record that has none, and their shares."""

import numpy as np
import pytest

from sediff.ecg import LEADS, twelve_leads
from sediff.evaluation.impossible import ANY, shares, wilson
from sediff.evaluation.readings import Readings
from sediff.evaluation.rules import RULES
from tests.evaluation.test_readings import drawn

STEADY = np.arange(0.5, 9.6, 0.8)
V3 = LEADS.index("V3")


def broken(record: np.ndarray) -> set[str]:
    """Names of the rules that a record, int16 (12, 1000), breaks."""
    (row,) = Readings.of(record[None]).impossible
    return {name for name, value in zip(RULES, row, strict=True) if value}


def jumping() -> np.ndarray:
    record = drawn(STEADY)
    record[V3, 300:] += 7000
    return record


def contradicting() -> np.ndarray:
    record = drawn(STEADY)
    record[2] = -record[2]
    return record


def resting() -> np.ndarray:
    record = drawn(STEADY)
    record[V3, 200:600] = record[V3, 200]
    return record


def without_t() -> np.ndarray:
    """QRS alone: no P wave, no T wave, and no noise that one could take for them."""
    t = np.arange(1000) / 100
    wave = np.exp(-0.5 * ((t[:, None] - STEADY) / 0.012) ** 2).sum(1)
    return twelve_leads(np.rint(1000 * wave * np.linspace(0.6, 1.2, 8)[:, None]).astype(np.int16))


def turned_over() -> np.ndarray:
    """Each second beat of one lead upside down."""
    record = drawn(STEADY)
    for peak in STEADY[1::2]:
        at = round(peak * 100)
        record[V3, at - 8 : at + 9] *= -1
    return record


def white() -> np.ndarray:
    return twelve_leads(np.random.default_rng(0).normal(0, 250, (8, 1000)).astype(np.int16))


PLANTED = {
    "voltage": lambda: np.clip(drawn(STEADY).astype(np.int32) * 12, -32767, 32767).astype(np.int16),
    "jump": jumping,
    "flat_lead": resting,
    "limb_leads": contradicting,
    "no_repolarisation": without_t,
    "alternating_polarity": turned_over,
    "noise": white,
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_pattern_breaks_its_rule(rule):
    assert rule in broken(PLANTED[rule]())


@pytest.mark.parametrize("rate", [0.4, 0.8, 1.5])
def test_a_heart_breaks_none(rate):
    assert broken(drawn(np.arange(0.5, 9.6, rate))) == set()


def test_bigeminy_is_no_alternation_and_neither_are_six_beats():
    early = np.sort(np.concatenate([np.arange(0.5, 9.0, 1.6), np.arange(1.0, 9.0, 1.6)]))
    assert "alternating_polarity" not in broken(drawn(early, wide=tuple(range(1, len(early), 2))))
    record = drawn(STEADY)
    for peak in STEADY[0:5:2]:
        at = round(peak * 100)
        record[V3, at - 8 : at + 9] *= -1
    assert "alternating_polarity" not in broken(record), "five turns and no sixth"


def test_a_heart_that_stands_still_is_told_from_a_slow_one():
    rule = RULES["standstill"]
    assert rule(np.zeros((12, 1000)), np.array([0.5, 1.3, 7.9]), None)
    assert not rule(np.zeros((12, 1000)), np.array([0.5, 5.0, 9.5]), None)


def test_a_flat_line_stands_still_and_every_rule_has_a_verdict_on_it():
    (row,) = Readings.of(np.zeros((1, 12, 1000), np.int16)).impossible
    assert dict(zip(RULES, row, strict=True)) == dict.fromkeys(RULES, 0.0) | {"standstill": 1.0}


def test_real_rest_in_all_leads_at_once_is_a_slow_heart():
    record = drawn(np.array([0.5, 4.2, 7.9]), noise=-0.004)
    assert "flat_lead" not in broken(record)


def test_shares_are_counted_by_rule_and_any_once_a_record():
    nothing = np.zeros((40, len(RULES)))
    made = nothing.copy()
    made[:8, 0] = 1
    made[4:10, 1] = 1
    patients = np.array([f"p{i}" for i in range(40)])
    values = {"synthetic": made, "reconstructed": nothing, "real": nothing}
    found = shares(values, patients, [np.arange(40)] * 3)
    first, second = list(RULES)[:2]
    assert [found[name]["synthetic"]["share"] for name in (first, second, ANY)] == [0.2, 0.15, 0.25]
    assert found[ANY]["difference"]["synthetic"] == {"mean": 0.25, "median": 0.25, "low": 0.25, "high": 0.25}
    assert found[ANY]["real"]["share"] == 0 < found[ANY]["real"]["high"] < 0.1
    assert shares(values, patients[:19], []).keys() == {"left_out"}


def test_records_of_one_patient_make_no_interval_narrower():
    one, two = (np.array([f"p{i // of}" for i in range(80)]) for of in (1, 2))
    values = dict.fromkeys(("synthetic", "reconstructed", "real"), np.zeros((80, len(RULES))))
    wide, narrow = (shares(values, patients, [np.arange(80)])[ANY]["real"]["high"] for patients in (two, one))
    assert wide > narrow


def test_wilson_s_interval_is_the_published_one():
    """Newcombe, Statistics in Medicine 17:857 (1998), table I: 81 of 263, and 0 of 20."""
    assert wilson(81 / 263, 263) == pytest.approx({"low": 0.2553, "high": 0.3662}, abs=1e-4)
    assert wilson(0, 20) == pytest.approx({"low": 0.0, "high": 0.1611}, abs=1e-4)
