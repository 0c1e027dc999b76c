"""Cells of studies with something of their own: labels, how many cases a class needs, or a network."""

import shutil
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sediff.seeds import seed_of
from sediff.study.bench import Bench
from sediff.study.cell import Cell
from sediff.study.classify import predict
from sediff.study.deep import fit_network
from sediff.study.lesson import Lesson
from sediff.study.plan import NetworkParams
from sediff.study.rows import Split, Truth, splits
from sediff.study.scores import Tested, scores
from sediff.study.statements import labels_of, told_each, with_cases
from sediff.training import Job


class OwnBench(Bench):
    """A bench for all studies.

    What `Bench` computes is part of the identity of the cells that it computed, so what is newer stands here: those
    cells stay what they are.
    """

    def splits(self, cell: Cell) -> list[Split]:
        """Who trains and who is tested, in each fold."""
        columns = self.corpus.columns
        _, truth = labels_of(cell.declared, columns, self.vocabulary)
        made = len(self.generators[cell.study].records(0).columns) if cell.declared.equal else 0
        return list(splits(cell.declared, cell.trained_on, columns, truth, made, cell.seed))

    def compute(self, cell: Cell) -> dict[str, Any]:
        """The figures of a cell, as `Bench` gives them; of a study with something of its own those of each class too.

        Raises:
            UserError: a generator was trained on somebody who is tested.
        """
        if not cell.declared.has_own:
            return super().compute(cell)
        started = time.perf_counter()
        folds = self.splits(cell)
        names, truth = labels_of(cell.declared, self.corpus.columns, self.vocabulary)
        least = self.plan.min_cases_of(cell.study)
        scored = with_cases(truth, folds, least)
        if not scored:
            return _left_out(f"no class has {least} real cases to train on and {least} to test on")
        lessons = [self._own_lesson(cell, split, truth, scored, fold) for fold, split in enumerate(folds)]
        if not all(lesson.y.any() for lesson in lessons):
            return _left_out("no case to train on")
        found = self._taught(cell, lessons, [names[column] for column in scored])
        # Of a training that was interrupted both are those of the last call.
        step = found.pop("step")
        rest = time.perf_counter() - started - step * self.plan.classifier_of(cell.study).steps * len(folds)
        return {**found, "seconds": {"step": round(step, 6), "rest": round(max(0.0, rest), 3)}}

    def _taught(self, cell: Cell, lessons: Sequence[Lesson], classes: Sequence[str]) -> dict[str, Any]:
        """What classifiers of these lessons reach, what they were trained on, and seconds of a step."""
        work = self.work / cell.fingerprint[:16]
        work.mkdir(parents=True, exist_ok=True)
        job = Job(work, work, work, cell.seed, self.device, cell.fingerprint, self.checkpoint_every)
        tested, paces = zip(*(self._test(cell, lesson, job) for lesson in lessons), strict=True)
        rng = np.random.default_rng(seed_of(cell.seed, "draws"))
        metrics = scores(tested, classes, self.plan.bootstraps, rng) | {"each": told_each(tested, lessons, classes)}
        records = [lesson.told() for lesson in lessons]
        found = {"metrics": metrics, "records": {key: [each[key] for each in records] for key in records[0]}}
        if cell.declared.kept and lessons[0].taken is not None:
            found["closeness"] = self._closeness(lessons[0], cell.seed)
        shutil.rmtree(work)
        return found | {"step": float(np.mean(paces))}

    def _own_lesson(self, cell: Cell, split: Split, truth: Truth, scored: Sequence[int], fold: int) -> Lesson:
        arm, columns = cell.trained_on, self.corpus.columns
        if arm.synthetic == "none":
            return Lesson.of(arm, fold, split, self.corpus, truth[:, scored], None, None, 0)
        generators = self.generators[cell.study]
        generators.require_strangers(fold, columns["patient_id"].gather(split.tested))
        seen = generators.seen(fold, columns["record_id"].gather(split.left_out))
        made = generators.records(fold)
        made_truth = labels_of(cell.declared, made.columns, self.vocabulary)[1][:, scored]
        return Lesson.of(arm, fold, split, self.corpus, truth[:, scored], made, made_truth, seen)

    def _test(self, cell: Cell, lesson: Lesson, job: Job) -> tuple[Tested, float]:
        """The classifier of a fold on those who are tested, and seconds a step."""
        params = self.plan.classifier_of(cell.study)
        if not isinstance(params, NetworkParams):
            return super()._test(cell, lesson, job)
        x, y = torch.from_numpy(lesson.x()), torch.from_numpy(lesson.y.astype(np.float32))
        rows = torch.from_numpy(lesson.shown(cell.trained_on.oversampled))
        trained = fit_network(params, x, y, rows, cell.trained_on.augmented, job, f"fold {lesson.fold}")
        tested = lesson.split.tested
        probabilities = predict(trained.network, torch.from_numpy(self.corpus.signals[tested]), self.device).numpy()
        patients = self.corpus.columns["patient_id"].to_numpy()[tested]
        step = min(params.batch_size, len(rows)) / trained.rate if trained.rate else 0.0
        return Tested(lesson.truth[tested], probabilities, patients), step


def _left_out(note: str) -> dict[str, Any]:
    return {"metrics": {"left_out": note}, "seconds": {}}
