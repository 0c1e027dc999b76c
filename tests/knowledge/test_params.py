import pytest

from sediff.knowledge.params import SimilarityWeights


def test_weights_over_the_views_of_a_query_sum_to_one():
    weights = SimilarityWeights(diagnoses=0.5, medications=0.25, procedures=0.25)
    assert weights.over(["diagnoses"]) == {"diagnoses": 1, "medications": 0, "procedures": 0}
    assert weights.over(["diagnoses", "procedures"]) == pytest.approx(
        {"diagnoses": 2 / 3, "medications": 0, "procedures": 1 / 3}
    )
    assert set(weights.over([]).values()) == {0}
    assert SimilarityWeights(diagnoses=1, medications=0, procedures=0).over(["procedures"])["procedures"] == 0
