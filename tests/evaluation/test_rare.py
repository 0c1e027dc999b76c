"""Rare statements, pooled: what is known of each alone, and that how rare it is tells nothing."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sediff.evaluation.rare import Judged, placements, pooled_scores, rare_statements

RECORDS = 4000
CASES = (4, 19, 60, 300)
PATIENTS = np.arange(RECORDS)


def asked(cases=CASES) -> np.ndarray:
    """The first records of a random order have each statement."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(RECORDS) < count for count in cases], 1)


def judged(told: float, seed: int = 1) -> Judged:
    """A judge whose logits of a case are higher by `told`; those of common statements are higher in any record."""
    truth = asked()
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    return Judged(truth, noise + told * truth + np.log(truth.mean(0)), PATIENTS)


def pooled(of: Judged) -> dict:
    return pooled_scores(of.truth, of.logits, [PATIENTS])


def test_a_placement_is_the_share_of_controls_below():
    truth = np.array([[True], [False], [False], [False], [True]])
    logits = np.array([[2.0], [1.0], [2.0], [3.0], [9.0]])
    assert placements(truth, logits).ravel() == pytest.approx(np.array([1.5, 0.5, 1.5, 2.5, 3]) / 3)


def test_prevalence_alone_tells_nothing():
    blind = judged(0)
    plain = roc_auc_score(blind.truth.ravel(), blind.logits.ravel())
    found = pooled(blind)
    assert plain > 0.75, "as they are, the logits look as if cases were told from controls"
    assert found["auroc"]["value"] == pytest.approx(0.5, abs=0.04)
    assert found["auprc"]["value"] == pytest.approx(found["prevalence"], rel=0.15)
    assert found["prevalence"] == pytest.approx(sum(CASES) / (RECORDS * len(CASES)))


def test_a_judge_who_knows_all_scores_one():
    found = pooled(judged(20))
    assert found["auroc"]["value"] == found["auprc"]["value"] == 1
    assert found["cases"] == sum(CASES)


def test_auroc_is_the_mean_over_statements_by_their_cases():
    of = judged(1)
    each = [roc_auc_score(truth, logits) for truth, logits in zip(of.truth.T, of.logits.T, strict=True)]
    assert pooled(of)["auroc"]["value"] == pytest.approx(np.average(each, weights=CASES))


def test_the_interval_is_over_patients():
    of = judged(1)
    drawn = [np.random.default_rng(seed).integers(0, RECORDS, RECORDS) for seed in range(100)]
    found = pooled_scores(of.truth, of.logits, drawn)
    for score in ("auroc", "auprc"):
        assert found[score]["low"] < found[score]["value"] < found[score]["high"]
    assert 0.01 < found["auroc"]["high"] - found["auroc"]["low"] < 0.1


def test_statements_with_fewer_cases_are_listed_and_pooled_and_the_others_not():
    sets = {"synthetic": judged(20), "real": judged(0)}
    found = rare_statements(sets, list("ABCD"), 20, 5, np.random.default_rng(0))
    assert found["statements"] == {"A": 4, "B": 19}
    assert found["synthetic"]["cases"] == found["real"]["cases"] == 23
    assert found["synthetic"]["auroc"]["value"] == 1 > found["real"]["auroc"]["high"]
    assert "left_out" not in found


def test_a_pool_that_is_too_small_is_left_out_and_that_is_said():
    of = judged(0)
    alone = {"synthetic": Judged(of.truth[:, :1], of.logits[:, :1], PATIENTS)}
    found = rare_statements(alone, ["A"], 20, 5, np.random.default_rng(0))
    assert found == {
        "statements": {"A": 4},
        "left_out": {"synthetic": "fewer than 20 cases of all rare statements together"},
    }
