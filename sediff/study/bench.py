"""A cell from its rows to its figures: train a classifier, test it, look at what it learned from."""

import shutil
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sediff.encoder.judge import Judge
from sediff.seeds import seed_of
from sediff.study.cell import CORPUS, JUDGES, Cell
from sediff.study.classify import fit, predict
from sediff.study.closeness import closeness
from sediff.study.generators import Generators, Records
from sediff.study.lesson import Lesson
from sediff.study.plan import Plan
from sediff.study.rows import Split, splits, truth_of
from sediff.study.scores import Tested, scores
from sediff.training import Job
from sediff.vocabulary import Vocabulary


class Bench:
    """What all cells share.

    Args:
        data: the clone's.
        generators: by study the `data` folders of those whose synthetic records are used: one, or one a fold.
        work: checkpoints, a folder for each cell that is not finished.
        checkpoint_every: steps.
    """

    def __init__(
        self,
        data: Path,
        generators: Mapping[str, Sequence[Path]],
        work: Path,
        plan: Plan,
        vocabulary: Vocabulary,
        device: torch.device,
        checkpoint_every: int,
    ) -> None:
        self.data, self.work, self.plan = data, work, plan
        self.vocabulary, self.device, self.checkpoint_every = vocabulary, device, checkpoint_every
        self.generators = {
            name: Generators(folders, plan.studies[name].synthetic) for name, folders in generators.items()
        }

    @cached_property
    def corpus(self) -> Records:
        """All real records."""
        return Records.read(self.data / CORPUS)

    @cached_property
    def judge(self) -> Judge:
        """Judge (a)."""
        return Judge.load(self.data / JUDGES)

    def splits(self, cell: Cell) -> list[Split]:
        """Who trains and who is tested, in each fold."""
        columns = self.corpus.columns
        _, truth = truth_of(cell.declared, columns, self.vocabulary)
        made = len(self.generators[cell.study].records(0).columns) if cell.declared.equal else 0
        return list(splits(cell.declared, cell.trained_on, columns, truth, made, cell.seed))

    def left_out(self, cell: Cell) -> list[list[str]]:
        """Ids, by fold, of the records that a generator for this cell must not be trained on."""
        train = np.flatnonzero(self.corpus.columns["split"] == "train")
        rows = [np.intersect1d(train, np.union1d(split.left_out, split.tested)) for split in self.splits(cell)]
        return [self.corpus.columns["record_id"].gather(each).to_list() for each in rows]

    def compute(self, cell: Cell) -> dict[str, Any]:
        """The figures of a cell, what it was trained on, and the seconds it took, which depend on the machine.

        Raises:
            UserError: a generator was trained on somebody who is tested.
        """
        started = time.perf_counter()
        folds = self.splits(cell)
        names, truth = truth_of(cell.declared, self.corpus.columns, self.vocabulary)
        scored = [column for column in range(len(names)) if self._enough(truth[:, column], folds)]
        if not scored:
            return _too_few(f"fewer than {self.plan.min_cases} real cases to train on or to test on")
        lessons = [self._lesson(cell, split, truth, scored, fold) for fold, split in enumerate(folds)]
        if not all(lesson.y.any() for lesson in lessons):
            return _too_few("no case to train on")
        work = self.work / cell.fingerprint[:16]
        work.mkdir(parents=True, exist_ok=True)
        job = Job(work, work, work, cell.seed, self.device, cell.fingerprint, self.checkpoint_every)
        tested, paces = zip(*(self._test(cell, lesson, job) for lesson in lessons), strict=True)
        rng = np.random.default_rng(seed_of(cell.seed, "draws"))
        metrics = scores(tested, [names[column] for column in scored], self.plan.bootstraps, rng)
        records = [lesson.told() for lesson in lessons]
        found = {"metrics": metrics, "records": {key: [each[key] for each in records] for key in records[0]}}
        if cell.declared.kept and lessons[0].taken is not None:
            found["closeness"] = self._closeness(lessons[0], cell.seed)
        shutil.rmtree(work)
        # Of a training that was interrupted both are those of the last call.
        step = float(np.mean(paces))
        rest = time.perf_counter() - started - step * self.plan.classifier.steps * len(folds)
        return {**found, "seconds": {"step": round(step, 6), "rest": round(max(0.0, rest), 3)}}

    def _enough(self, truth: NDArray[np.bool_], folds: Sequence[Split]) -> bool:
        """Whether a class has cases among all who could train, and on either side of all tests."""
        train = min(int(truth[split.eligible].sum()) for split in folds)
        tested = truth[np.concatenate([split.tested for split in folds])]
        least = self.plan.min_cases
        return train >= least and least <= tested.sum() <= len(tested) - least

    def _lesson(self, cell: Cell, split: Split, truth: NDArray[np.bool_], scored: Sequence[int], fold: int) -> Lesson:
        arm, made, made_truth = cell.trained_on, None, None
        seen = 0
        if arm.synthetic != "none":
            generators = self.generators[cell.study]
            generators.require_strangers(fold, self.corpus.columns["patient_id"].gather(split.tested))
            seen = generators.seen(fold, self.corpus.columns["record_id"].gather(split.left_out))
            made = generators.records(fold)
            made_truth = truth_of(cell.declared, made.columns, self.vocabulary)[1][:, scored]
        return Lesson.of(arm, fold, split, self.corpus, truth[:, scored], made, made_truth, seen)

    def _test(self, cell: Cell, lesson: Lesson, job: Job) -> tuple[Tested, float]:
        """The classifier of a fold on those who are tested, and seconds a step."""
        params = self.plan.classifier
        x, y = torch.from_numpy(lesson.x()), torch.from_numpy(lesson.y.astype(np.float32))
        rows = torch.from_numpy(lesson.shown(cell.trained_on.oversampled))
        trained = fit(params, x, y, rows, cell.trained_on.augmented, job, f"fold {lesson.fold}")
        tested = lesson.split.tested
        probabilities = predict(trained.network, torch.from_numpy(self.corpus.signals[tested]), self.device).numpy()
        patients = self.corpus.columns["patient_id"].to_numpy()[tested]
        step = min(params.batch_size, len(rows)) / trained.rate if trained.rate else 0.0
        return Tested(lesson.truth[tested], probabilities, patients), step

    def _closeness(self, lesson: Lesson, seed: int) -> dict[str, Any]:
        """Of some synthetic cases and as many held-out ones at most, to all training cases."""
        rng = np.random.default_rng(seed_of(seed, "closeness"))

        def some(signals: NDArray[np.int16]) -> NDArray[np.int16]:
            return signals[rng.permutation(len(signals))[: self.plan.compared]]

        split, cases = lesson.split, lesson.truth[:, 0]
        rows = (split.tested, np.setdiff1d(split.training, split.left_out), split.left_out)
        held_out, kept, left_out = (self.corpus.signals[each[cases[each]]] for each in rows)
        return closeness(some(lesson.synthetic_cases()), some(held_out), kept, left_out, self.judge)


def _too_few(note: str) -> dict[str, Any]:
    return {"metrics": {"left_out": note}, "seconds": {}}
