import numpy as np
import pytest
import torch

from sediff.encoder.loss import TEMPERATURE, contrastive_loss
from sediff.encoder.scores import frequency_baseline, hit_rates, log_posterior, similarity_rank, text_shares

SETS = np.array([0] * 6 + [1] * 3 + [2])
PATIENTS = np.arange(10)


def test_a_record_of_an_equal_set_is_a_hit_and_another_is_none():
    cosine = np.zeros((10, 10))
    cosine[:6, 5] = 1  # all of the first set find its last record
    cosine[6:, 0] = 1  # all others find a record of that set too
    rates = hit_rates(cosine, SETS, SETS, PATIENTS)
    assert rates["hits_at_1"] == 0.6
    assert rates["macro_hits_at_1"] == pytest.approx(1 / 3, abs=1e-4)
    assert hit_rates(np.eye(10), SETS, SETS, PATIENTS)["hits_at_1"] == 1


def test_few_columns_may_stand_for_many_records():
    """One text for each set: those of the first two sets find theirs, the last record another's."""
    cosine = np.array([[1.0, 0.5]] * 6 + [[0.5, 1.0]] * 4)
    assert hit_rates(cosine, SETS, np.array([0, 1]), PATIENTS)["hits_at_1"] == 0.9


def test_the_baseline_answers_with_the_most_frequent_sets():
    rates = frequency_baseline(SETS, PATIENTS)
    assert rates["hits_at_1"] == 0.6
    assert rates["macro_hits_at_1"] == pytest.approx(1 / 3, abs=1e-4)
    assert rates["hits_at_10"] == 1


def test_the_interval_is_over_patients_and_not_over_records():
    """Half of the records hit, all those of two patients of four: how many of them are drawn decides."""
    sets = np.arange(100)
    cosine = np.where(np.arange(100)[:, None] < 50, np.eye(100), np.roll(np.eye(100), 1, axis=1))
    alone = hit_rates(cosine, sets, sets, np.arange(100))["hits_at_1_interval"]
    clustered = hit_rates(cosine, sets, sets, np.repeat([0, 1, 2, 3], 25))["hits_at_1_interval"]
    assert 0.35 < alone["low"] < 0.5 < alone["high"] < 0.65
    assert clustered["low"] <= 0.25
    assert clustered["high"] >= 0.75


def test_the_rank_counts_who_is_closer_than_the_partner():
    a = np.eye(3)
    assert similarity_rank(a, 5 * a).tolist() == [0, 0, 0]
    assert similarity_rank(a, a[[1, 2, 0]]).tolist() == [2, 2, 2], "who is as close counts too"


def test_the_contrastive_loss_wants_partners_alone_or_all_that_match():
    pairs = torch.eye(4)
    assert contrastive_loss(pairs, pairs) < 0.01 < contrastive_loss(pairs, pairs.roll(1, 0))
    alike = torch.tensor([0, 0, 1, 1])
    matches = alike[:, None] == alike
    twins = torch.eye(4)[[0, 0, 2, 2]]
    assert contrastive_loss(twins, twins, matches) == pytest.approx(np.log(2), abs=0.01)
    assert contrastive_loss(pairs, pairs, matches) > 5, "who keeps apart what matches loses"


def test_features_that_are_all_alike_find_no_partner():
    assert (similarity_rank(np.ones((5, 3)), np.ones((5, 3))) == 4).all()


def test_the_posterior_of_a_known_joint_distribution_comes_back():
    joint = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(3, 4)  # of texts and ECGs
    texts, ecgs = joint.sum(1), joint.sum(0)
    cosine = TEMPERATURE * (np.log(joint / texts[:, None] / ecgs) + np.array([0.0, 3.0, -2.0, 1.0]))
    assert np.exp(log_posterior(cosine, texts)) == pytest.approx(joint / ecgs)


def test_a_text_that_nobody_has_seen_keeps_a_share():
    shares = text_shares(["a", "a", "b"], ["a", "b", "c"])
    assert shares == pytest.approx([3 / 6, 2 / 6, 1 / 6])
