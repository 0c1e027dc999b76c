"""The attacks' arithmetic against known answers and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from sediff.evaluation.exposure import calibrated
from sediff.evaluation.membership import Scored, attack, worst
from sediff.evaluation.params import AuditParams
from sediff.evaluation.privacy import most_alike, nearest
from sediff.evaluation.strangers import verdict


def scored(shift: float, members: int = 600, strangers: int = 500, records: int = 1) -> Scored:
    """Gaussians whose means differ; each patient has as many equal records."""
    rng = np.random.default_rng(0)
    sides = [np.repeat(rng.normal(mean, 1, count), records) for mean, count in ((shift, members), (0.0, strangers))]
    patients = [np.repeat(np.arange(count), records) for count in (members, strangers)]
    return Scored(*sides, *patients)


def test_auc_and_true_positives_are_those_of_scikit_learn():
    one = scored(0.7)
    truth = np.repeat([True, False], [600, 500])
    scores = np.concatenate([one.members, one.strangers])
    assert one.auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert one.tpr == pytest.approx(true[false <= 0.01].max())
    assert one.auc == pytest.approx(norm.cdf(0.7 / np.sqrt(2)), abs=0.03)
    ties = Scored(np.zeros(5), np.zeros(300), np.arange(5), np.arange(300))
    assert (ties.auc, ties.tpr) == (0.5, 0.0), "equal scores tell nothing"


def test_the_interval_covers_what_is_known_and_is_wider_where_records_are_few_patients():
    rng = np.random.default_rng(1)
    found = attack(scored(0.7), 200, rng)
    assert found["auc"]["low"] < norm.cdf(0.7 / np.sqrt(2)) < found["auc"]["high"]
    none = attack(scored(0.0), 200, rng)
    assert none["auc"]["low"] < 0.5 < none["auc"]["high"] < 0.55
    assert none["tpr"]["value"] < 0.025
    few = attack(scored(0.0, 60, 50, records=10), 200, rng)
    widths = [found["auc"]["high"] - found["auc"]["low"] for found in (few, none)]
    assert widths[0] > 2 * widths[1], "it is patients that are drawn"


def test_the_worst_attack_decides():
    found = worst([{"auc": {"high": high}, "tpr": {"value": tpr}} for high, tpr in ((0.51, 0.04), (0.6, 0.01))])
    assert found == {"auc_high": 0.6, "tpr": 0.04}


def test_calibration_finds_what_the_difficulty_of_records_hides():
    rng = np.random.default_rng(2)
    difficulty = rng.lognormal(0, 1, (1000, 1))
    noise = np.exp(rng.normal(0, 0.02, (2, 1000, 5)))
    own, reference = difficulty * noise[0], difficulty * noise[1]
    own[:500] *= 0.95  # what training made of the members
    patients = np.arange(500), np.arange(500)
    raw, better = (Scored(s[:500], s[500:], *patients) for s in (-np.log(own).mean(1), calibrated(own, reference)))
    assert raw.auc < 0.56
    assert better.auc > 0.95


def test_a_verdict_needs_enough_strangers_or_a_leak_that_is_proven_of_people():
    params = AuditParams(decisive=500)
    unsure, leak = ({"auc": {"low": low, "high": low + 0.1}, "tpr": {"value": 0.01}} for low in (0.5, 0.56))
    for attacks, members, strangers, simulated, high in (
        ([unsure], 1000, 500, False, 0.6),
        ([unsure], 1000, 499, False, None),
        ([unsure], 999, 500, False, None),
        ([unsure, leak], 60, 60, False, 0.66),
        ([unsure, leak], 60, 60, True, None),
        ([unsure, leak], 1000, 500, True, 0.66),
    ):
        found = verdict(params, members, strangers, attacks, simulated)
        assert found.get("auc_high") == (high if high is None else pytest.approx(high))
        assert ("left_out" in found) == (high is None)


def test_the_most_alike_of_few_is_that_of_the_search_among_many():
    rng = np.random.default_rng(4)
    others = np.cumsum(rng.normal(0, 30, (70, 8, 1000)), -1).astype(np.int16)
    signals = np.cumsum(rng.normal(0, 0.03, (20, 8, 1000)), -1).astype(np.float32)
    signals[3] = np.roll(others[41], 217, -1) * 0.0004
    found, wanted = most_alike(signals, others), nearest(signals, others, 0.0)
    assert np.array_equal(found.rows, wanted.rows)
    assert found.correlation == pytest.approx(wanted.correlation, abs=1e-5)
    assert (found.rows[3], found.correlation[3]) == (41, pytest.approx(1, abs=1e-4))
