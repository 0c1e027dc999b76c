"""Diversity within a condition: who matches, and ratios that are known."""

import numpy as np
import polars as pl
import pytest

from sediff.evaluation.diversity import diversity, matched_conditions, mean_distance
from sediff.evaluation.within import over_groups


def corpus(count: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "patient_id": [f"p{i // 2}" for i in range(count)],
            "statements": [["SR", "NORM"] if i % 4 < 2 else ["AFIB"] for i in range(count)],
            "sex": [("male", "female", None)[i % 3] for i in range(count)],
            "age": rng.uniform(55, 70, count),
            "heart_rate": rng.uniform(60, 72, count),
        },
    )


def test_matches_are_alike_of_other_patients_and_one_a_patient():
    columns = corpus()
    held_out = np.arange(len(columns)) < 80
    found = matched_conditions(columns, held_out, np.ones(len(columns), bool), 12, 6, np.random.default_rng(0))
    assert len(found) == 12
    for condition in found:
        own, matches = columns.row(condition.row, named=True), columns[condition.matches].to_dicts()
        assert condition.row < 80
        assert len({row["patient_id"] for row in matches} | {own["patient_id"]}) == 7
        for row in matches:
            assert row["statements"] == own["statements"] and row["sex"] == own["sex"]
            assert abs(row["age"] - own["age"]) <= 5 and abs(row["heart_rate"] - own["heart_rate"]) <= 5
    of = [tuple(columns["statements"][condition.row]) for condition in found]
    assert len(set(of[:2])) == 2, "no set of statements comes twice before each has come once"


def test_a_condition_that_too_few_match_is_not_taken():
    columns = corpus(40)
    everyone = np.ones(40, bool)
    assert matched_conditions(columns, everyone, everyone, 10, 30, np.random.default_rng(0)) == []
    nobody_has_an_age = columns.with_columns(age=pl.lit(None, pl.Float64))
    assert matched_conditions(nobody_has_an_age, everyone, everyone, 10, 1, np.random.default_rng(0)) == []


def test_ratios_of_known_spreads():
    rng = np.random.default_rng(0)
    real = [rng.normal(size=(16, 8)) for _ in range(60)]
    half = [0.5 * rng.normal(size=(16, 8)) + rng.normal(size=8) for _ in range(60)]
    found = diversity(half, real, 200, rng)
    assert found["conditions"] == 60
    assert found["over_real"]["low"] < 0.5 < found["over_real"]["high"]
    assert found["over_real"]["ratio"] == pytest.approx(0.5, abs=0.03)
    assert diversity(real, real, 5, rng)["over_real"]["ratio"] == 1
    repeated = [np.repeat(of[:1], 16, axis=0) for of in real]
    assert diversity(repeated, real, 5, rng)["over_real"]["ratio"] == 0
    assert diversity(real[:4], real[:4], 5, rng).keys() == {"left_out"}


def test_twenty_groups_have_a_ratio_and_fewer_have_none():
    real = np.random.default_rng(0).normal(size=(100, 8))
    centres = np.repeat(real.reshape(20, 5, 8).mean(1), 5, axis=0)
    features = {"synthetic": (real + centres) / 2, "reconstructed": real + 3, "real": real}
    groups = np.arange(100).reshape(20, 5)
    found = over_groups(features, list(groups), 20, 0)
    assert found["conditions"] == 20
    assert found["over_real"]["ratio"] == pytest.approx(0.5), "each group is drawn in to its centre by half"
    assert found["reconstructed"]["ratio"] == pytest.approx(1), "a shift changes no distance"
    assert over_groups(features, list(groups[:19]), 20, 0).keys() == {"left_out"}


def test_the_mean_distance_is_that_of_its_pairs_and_does_not_grow_with_their_number():
    assert mean_distance(np.array([[0.0, 0], [3, 4], [0, 0]])) == pytest.approx(10 / 3)
    rng = np.random.default_rng(0)
    few = np.mean([mean_distance(rng.normal(size=(4, 5))) for _ in range(2000)])
    assert few == pytest.approx(mean_distance(rng.normal(size=(2000, 5))), rel=0.02)
