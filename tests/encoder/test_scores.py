import numpy as np
import pytest
import torch

from sediff.encoder.loss import contrastive_loss
from sediff.encoder.scores import frequency_baseline, hit_rates, similarity_rank

SETS = np.array([0] * 6 + [1] * 3 + [2])


def test_a_record_of_an_equal_set_is_a_hit_and_another_is_none():
    cosine = np.zeros((10, 10))
    cosine[:6, 5] = 1  # all of the first set find its last record
    cosine[6:, 0] = 1  # all others find a record of that set too
    rates = hit_rates(cosine, SETS)
    assert rates["hits_at_1"] == 0.6
    assert rates["macro_hits_at_1"] == pytest.approx(1 / 3, abs=1e-4)
    assert hit_rates(np.eye(10), SETS)["hits_at_1"] == 1


def test_the_baseline_answers_with_the_most_frequent_sets():
    rates = frequency_baseline(SETS)
    assert rates["hits_at_1"] == 0.6
    assert rates["macro_hits_at_1"] == pytest.approx(1 / 3, abs=1e-4)
    assert rates["hits_at_10"] == 1


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
