import numpy as np
import polars as pl
import pytest

from sediff.study.plan import Arm, Study
from sediff.study.rows import even, splits, truth_of

COUNT = 400
RNG = np.random.default_rng(5)
CASE = RNG.random(COUNT) < 0.3
COLUMNS = pl.DataFrame(
    {
        "record_id": [f"r/{i}" for i in range(COUNT)],
        "patient_id": [f"p{i // 2}" for i in range(COUNT)],
        "split": [("train", "train", "validation", "test")[i // 2 % 4] for i in range(COUNT)],
        "statements": [["WPW"] if case else ["NORM"] for case in CASE],
        "sex": [("female", "male", None)[i // 2 % 3] for i in range(COUNT)],
        "repairs": [["canary"] if i % 50 == 0 else [] for i in range(COUNT)],
    }
)
THINNED = Study(target="statements", statements=("WPW",), kept=7, tested_on=("validation", "test"))


def split_of(study: Study, seed: int = 0, arm: Arm | None = None, made: int = 0, vocabulary=None):
    _, truth = truth_of(study, COLUMNS, vocabulary)
    (split,) = splits(study, arm or Arm(), COLUMNS, truth, made, seed)
    return split


def test_thinning_keeps_the_same_cases_for_all_arms_and_tests_on_all_held_out_ones():
    split, whole = split_of(THINNED), split_of(THINNED, arm=Arm(thinned=False))
    where, canary = COLUMNS["split"].to_numpy(), np.arange(COUNT) % 50 == 0
    train = np.flatnonzero((where == "train") & ~canary)
    assert CASE[split.training].sum() == 7 < CASE[train].sum()
    assert sorted(np.concatenate([split.training, split.left_out])) == train.tolist()
    assert CASE[split.left_out].all(), "only cases go"
    assert sorted(whole.training) == train.tolist()
    assert (whole.left_out == split.left_out).all()
    assert split.tested.tolist() == np.flatnonzero(np.isin(where, ("validation", "test")) & ~canary).tolist()
    assert (split_of(THINNED).training == split.training).all()
    other = split_of(THINNED, seed=1)
    assert set(other.left_out) == set(split.left_out), "one generator serves all seeds"
    assert other.training.tolist() != split.training.tolist()


def test_smaller_shares_of_patients_lie_within_larger_ones(vocabulary):
    few, more = (
        set(split_of(Study(target="superclasses", share=share, tested_on=("test",)), vocabulary=vocabulary).training)
        for share in (0.1, 0.5)
    )
    assert few < more
    assert len(few) == pytest.approx(20, abs=3)
    assert len(more) == pytest.approx(100, abs=6)


def test_equal_takes_as_many_as_are_synthetic(vocabulary):
    study = Study(target="superclasses", equal=True, tested_on=("test",))
    assert len(split_of(study, made=31, vocabulary=vocabulary).training) == 31


def test_folds_are_disjoint_by_patient_and_test_everybody_once():
    study = Study(target="statements", statements=("WPW",), folds=3)
    _, truth = truth_of(study, COLUMNS, None)
    folds = list(splits(study, Arm(), COLUMNS, truth, 0, 0))
    patients = COLUMNS["patient_id"].to_numpy()
    for fold in folds:
        assert not set(patients[fold.training]) & set(patients[fold.tested])
    tested = np.concatenate([fold.tested for fold in folds])
    assert sorted(tested) == [row for row in range(COUNT) if row % 50]
    others = splits(study, Arm(), COLUMNS, truth, 0, 1)
    assert all((one.tested == other.tested).all() for one, other in zip(folds, others, strict=True))


def test_who_has_no_sex_is_not_asked_for_it():
    split = split_of(Study(target="sex", tested_on=("test",)))
    assert not COLUMNS["sex"].gather(np.concatenate([split.training, split.tested])).null_count()


def test_oversampling_makes_classes_even():
    truth = np.zeros((106, 2), bool)
    truth[:4, 0] = truth[4:6, 1] = truth[0, 1] = True
    shown = even(truth)
    times = np.bincount(shown, minlength=len(truth))
    assert times[6:].tolist() == [1] * 100
    assert times[:6].tolist() == [33, 25, 25, 25, 33, 33], "the first has the rarer class too"
