"""Who trains and who is tested: rows of the corpus and of the synthetic records for one cell."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.corpus.canaries import CANARY
from sediff.seeds import seed_of
from sediff.study.plan import Arm, Study
from sediff.vocabulary import SUPERCLASSES, Vocabulary, statement_labels, superclass_labels

Rows = NDArray[np.intp]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Rows of the corpus.

    Attributes:
        eligible: of which a study takes its training records, training.
        left_out: of those what the study's training does without, as it is thinned or few; the same for all its arms.
    """

    eligible: Rows
    training: Rows
    tested: Rows
    left_out: Rows


def truth_of(study: Study, columns: pl.DataFrame, vocabulary: Vocabulary) -> tuple[list[str], Truth]:
    """What is to be told of each record: names of the classes, and (n, classes)."""
    if study.target == "sex":
        return ["female"], (columns["sex"] == "female").fill_null(False).to_numpy()[:, None]
    statements = columns["statements"].to_list()
    if study.target == "superclasses":
        return list(SUPERCLASSES), superclass_labels(statements, vocabulary)
    has_one = np.logical_or.reduce(statement_labels(statements, study.statements), axis=1)
    return ["+".join(study.statements)], has_one[:, None]


def splits(study: Study, arm: Arm, columns: pl.DataFrame, truth: Truth, made: int, seed: int) -> Iterator[Split]:
    """The split of a study, or one for each fold.

    Canaries train nothing here, and neither does who has no sex where that is asked. Which patients are the share is a
    function of the seed: the same for all arms, smaller shares within larger ones. Which cases are kept depends on no
    seed, so that one generator, trained on these alone, serves all; and neither does the fold of a patient.

    Args:
        truth: of each record of the corpus, (n, classes).
        made: how many synthetic records there are.
    """
    patients, split = columns["patient_id"].to_numpy(), columns["split"].to_numpy()
    usable = ~columns["repairs"].list.contains(CANARY).to_numpy()
    if study.target == "sex":
        usable &= columns["sex"].is_not_null().to_numpy()
    if not study.folds:
        yield _split(
            study, arm, patients, truth, usable & (split == "train"), usable & _among(split, study), made, seed
        )
        return
    fold_of = {patient: seed_of("fold", patient) % study.folds for patient in np.unique(patients).tolist()}
    folds = np.array([fold_of[patient] for patient in patients.tolist()])
    for fold in range(study.folds):
        yield _split(study, arm, patients, truth, usable & (folds != fold), usable & (folds == fold), made, seed)


def _among(split: NDArray, study: Study) -> NDArray[np.bool_]:
    return np.isin(split, study.tested_on)


def _split(
    study: Study,
    arm: Arm,
    patients: NDArray,
    truth: Truth,
    training: NDArray[np.bool_],
    tested: NDArray[np.bool_],
    made: int,
    seed: int,
) -> Split:
    rng = np.random.default_rng(seed_of(seed, "study"))
    eligible = np.flatnonzero(training)
    every = rng.permutation(eligible)
    if study.share < 1:
        unique = np.unique(patients[every])
        few = rng.permutation(unique)[: max(1, round(study.share * len(unique)))]
        every = every[np.isin(patients[every], few)]
    rest = every
    if study.kept is not None:
        cases = np.random.default_rng(seed_of("kept")).permutation(eligible[truth[eligible, 0]])
        rest = every[~np.isin(every, cases[study.kept :])]
    if study.equal:
        rest = rest[:made]
    left_out = np.setdiff1d(eligible, rest)
    return Split(eligible, rest if arm.thinned else every, np.flatnonzero(tested), left_out)


def even(truth: Truth) -> Rows:
    """Rows of records (n, classes), those of rare classes repeated until classes come as often as the commonest.

    A record is repeated for the rarest class that it has; to have none of them is a class too.
    """
    of_all = np.column_stack([truth, ~truth.any(1)])
    counts = of_all.sum(0)
    ratio = np.where(counts > 0, counts.max(initial=0) / np.maximum(counts, 1), 0)
    times = np.rint(np.where(of_all, ratio, 0).max(1)).astype(int)
    return np.repeat(np.arange(len(truth)), times)
