"""Attribute inference: what is measured where synthetic records tell nothing, something, and more of members."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from sediff.evaluation.attributes import Guessed, advantage, attributes, attributes_of

RNG = np.random.default_rng(0)
MEMBERS, STRANGERS, MADE = 300, 250, 120


def people(count: int, known: bool = True) -> pl.DataFrame:
    sexes = np.where(RNG.random(count) < 0.5, "female", "male").tolist()
    return pl.DataFrame(
        {
            "patient_id": [f"p{row}" for row in range(count)],
            "sex": pl.Series(sexes if known else [None] * count, dtype=pl.String),
            "age": RNG.integers(20, 90, count),
            "statements": [["IMI"] if RNG.random() < 0.3 else ["NORM"] for _ in range(count)],
        }
    )


def like_their_own_kind(rows: pl.DataFrame, made: pl.DataFrame, strength: float, members: float) -> np.ndarray:
    """Correlations that are higher where sexes are equal, of members by more."""
    equal = rows["sex"].to_numpy()[:, None] == made["sex"].to_numpy()
    added = np.where(np.arange(len(rows)) < MEMBERS, strength + members, strength)[:, None] * equal
    return (RNG.normal(0, 1, equal.shape) + added).astype(np.float32)


def test_attributes_are_read_from_rows_and_unknown_where_they_are(vocabulary):
    rows = pl.DataFrame(
        {"sex": ["female", "male", None], "age": [70, None, 40], "statements": [["IMI", "SR"], ["NORM"], ["AFIB"]]}
    )
    found = attributes_of(rows, vocabulary, 60.0)
    assert found["female"].tolist()[:2] == [1, 0]
    assert np.isnan(found["female"][2])
    assert found["older"][[0, 2]].tolist() == [1, 0]
    assert np.isnan(found["older"][1])
    assert found["infarction"].tolist() == [1, 0, 0]


def test_what_holds_for_strangers_too_is_no_advantage_and_what_does_not_is_one(vocabulary):
    rows, made = people(MEMBERS + STRANGERS), people(MADE)
    for members, leaks in ((0.0, False), (1.5, True)):
        alike = like_their_own_kind(rows, made, 0.5, members)
        found = attributes(rows, MEMBERS, made, alike, vocabulary, 100, np.random.default_rng(1))
        sex = found["female"]
        assert sex["strangers"] > 0.6, "an ECG tells sex"
        assert (sex["advantage"]["low"] > 0) == leaks
        for other in ("older", "infarction"):
            assert found[other]["advantage"]["low"] < 0 < found[other]["advantage"]["high"]


def test_an_advantage_is_a_difference_of_aucs_with_its_interval():
    truth = RNG.random(400) < 0.4
    sides = [Guessed(RNG.normal(0, 1, 400) + shift * truth, truth, np.arange(400)) for shift in (1.0, 0.2)]
    found = advantage(*sides, 200, np.random.default_rng(2))
    for side, name in zip(sides, ("members", "strangers"), strict=True):
        assert found[name] == pytest.approx(roc_auc_score(side.truth, side.scores), abs=1e-12)
    told = found["advantage"]
    assert told["value"] == pytest.approx(found["members"] - found["strangers"])
    assert 0 < told["low"] < told["value"] < told["high"]


def test_few_are_left_out_with_a_note(vocabulary):
    rows, made = people(MEMBERS + STRANGERS, known=False), people(MADE)
    alike = RNG.random((len(rows), MADE)).astype(np.float32)
    found = attributes(rows, MEMBERS, made, alike, vocabulary, 20, np.random.default_rng(3))
    assert "fewer than" in found["female"]["left_out"]
    none = made.with_columns(sex=pl.lit("male"))
    assert "all have it" in attributes(rows, MEMBERS, none, alike, vocabulary, 20, RNG)["female"]["left_out"]
