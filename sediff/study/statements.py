"""Each statement with enough cases as a class of its own: what is to be told of a record, and how well each is told."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from sediff.study.lesson import Lesson
from sediff.study.plan import Study
from sediff.study.rows import Split, Truth, truth_of
from sediff.study.scores import MEASURES, RANKING, Tested
from sediff.vocabulary import Vocabulary, statement_labels


def labels_of(study: Study, columns: pl.DataFrame, vocabulary: Vocabulary) -> tuple[list[str], Truth]:
    """What is to be told of each record: names of the classes, and (n, classes); of statements all that are known."""
    if study.target != "each statement":
        return truth_of(study, columns, vocabulary)
    return list(vocabulary.codes), statement_labels(columns["statements"].to_list(), vocabulary.codes)


def with_cases(truth: Truth, folds: Sequence[Split], least: int) -> list[int]:
    """The classes that have cases among all who could train, and on either side of all tests: columns of truth."""
    train = np.min([truth[split.eligible].sum(0) for split in folds], axis=0)
    tested = truth[np.concatenate([split.tested for split in folds])]
    cases = tested.sum(0)
    return np.flatnonzero((train >= least) & (cases >= least) & (cases <= len(tested) - least)).tolist()


def told_each(tested: Sequence[Tested], lessons: Sequence[Lesson], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """AUROC and AUPRC of each class, means over the folds that have both sides of it, and its cases in each fold."""
    return {name: _told(tested, column) | _cases(lessons, column) for column, name in enumerate(names)}


def _told(tested: Sequence[Tested], column: int) -> dict[str, float]:
    told = [(fold.truth[:, column], fold.probabilities[:, column]) for fold in tested]
    ranked = [(truth, values) for truth, values in told if 0 < truth.sum() < len(truth)]
    return {name: round(float(np.mean([MEASURES[name](*each) for each in ranked])), 6) for name in RANKING}


def _cases(lessons: Sequence[Lesson], column: int) -> dict[str, list[int]]:
    """Cases among the real and the synthetic records that train, and among those that are tested."""
    trained = [(lesson.y[: len(lesson.rows), column], lesson.y[len(lesson.rows) :, column]) for lesson in lessons]
    return {
        "real_cases": [int(real.sum()) for real, _ in trained],
        "synthetic_cases": [int(made.sum()) for _, made in trained],
        "tested_cases": [int(lesson.truth[lesson.split.tested, column].sum()) for lesson in lessons],
    }
