"""Each statement as a class of its own, on planted truth."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from sediff.study import scores
from sediff.study.generators import Records
from sediff.study.lesson import Lesson
from sediff.study.plan import Arm, Study
from sediff.study.rows import Split
from sediff.study.statements import labels_of, told_each, with_cases

RNG = np.random.default_rng(2)
NOBODY = np.array([], np.intp)


def test_all_statements_that_are_known_are_labels(vocabulary):
    study = Study(target="each statement", tested_on=("test",))
    names, truth = labels_of(study, pl.DataFrame({"statements": [["WPW", "SR"], [], ["NORM"]]}), vocabulary)
    assert names == list(vocabulary.codes)
    assert [{names[k] for k in np.flatnonzero(row)} for row in truth] == [{"WPW", "SR"}, set(), {"NORM"}]


def test_a_class_needs_cases_in_training_and_on_either_side_of_the_test():
    truth = np.zeros((40, 5), bool)
    train, tested = np.arange(20), np.arange(20, 40)
    truth[:6, 0] = truth[20:26, 0] = True
    truth[:4, 1] = truth[20:26, 1] = True  # too few to train on
    truth[:6, 2] = truth[20:24, 2] = True  # too few to test on
    truth[:6, 3] = truth[20:36, 3] = True  # nearly all who are tested
    truth[:5, 4] = truth[20:25, 4] = True
    assert with_cases(truth, [Split(train, train, tested, NOBODY)], 5) == [0, 4]
    assert with_cases(truth, [Split(train, train, tested, NOBODY)], 6) == [0]


def test_figures_of_each_class_are_scikit_learns_means_over_folds():
    truth, corpus = RNG.random((60, 2)) < 0.4, Records(pl.DataFrame(), np.zeros((0, 8, 1000), np.int16))
    folds, lessons = [], []
    for fold, rows in enumerate((np.arange(30), np.arange(30, 60))):
        tested, training = rows[:20], rows[20:]
        folds.append(scores.Tested(truth[tested], RNG.random((20, 2)), tested.astype(str)))
        split = Split(training, training, tested, NOBODY)
        lessons.append(Lesson.of(Arm(synthetic="all"), fold, split, corpus, truth, corpus, truth[:7], 0))
    told = told_each(folds, lessons, ["A", "B"])
    for column, name in enumerate("AB"):
        for measure, reference in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
            wanted = np.mean([reference(fold.truth[:, column], fold.probabilities[:, column]) for fold in folds])
            assert told[name][measure] == pytest.approx(wanted, abs=1e-6)
        assert told[name]["tested_cases"] == [int(truth[rows, column].sum()) for rows in (slice(20), slice(30, 50))]
        assert told[name]["real_cases"] == [int(truth[rows, column].sum()) for rows in (slice(20, 30), slice(50, 60))]
        assert told[name]["synthetic_cases"] == [int(truth[:7, column].sum())] * 2
