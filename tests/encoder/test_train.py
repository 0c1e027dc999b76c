import json

import numpy as np
import pytest
import torch

from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder import train as module
from sediff.encoder.judge import Judge
from sediff.encoder.params import ConditionerParams, EncoderParams, JudgeParams
from sediff.encoder.train import train_encoder
from sediff.errors import UserError
from sediff.records import read_signals
from sediff.training import Job
from tests.learnable import CODES, write_experiences, write_records

LABELS = np.arange(240) // 8 % 2


def fit(tmp_path, vocabulary, labels=LABELS, min_cases=5) -> dict:
    write_records(tmp_path / "corpus", labels)
    write_experiences(tmp_path / "knowledge", len(labels), len(vocabulary.codes))
    for name in ("out", "report", "work"):
        (tmp_path / name).mkdir()
    params = EncoderParams(
        conditioner=ConditionerParams(width=16, buckets=64, steps=3, batch_size=16),
        judge=JudgeParams(width=8, steps=30, batch_size=32, learning_rate=1e-2, min_cases=min_cases),
    )
    folders = (tmp_path / "corpus", tmp_path / "knowledge", vocabulary)
    job = Job(tmp_path / "out", tmp_path / "report", tmp_path / "work", 0, torch.device("cpu"))
    train_encoder(params, *folders, job)
    return json.loads((tmp_path / "report/metrics.json").read_text())


def test_the_judge_learns_what_can_be_learned(vocabulary, tmp_path):
    metrics = fit(tmp_path, vocabulary)
    assert metrics["judge"]["macro_auroc"] > 0.95
    judge = Judge.load(tmp_path / "out")
    assert sorted(judge.codes) == sorted(CODES)
    leads = to_millivolts(independent_leads(read_signals(tmp_path / "corpus/records")))
    assert judge.features(leads).shape == (len(LABELS), 64)
    wide = judge.probabilities(leads)[:, judge.codes.index("CLBBB")]
    assert wide[LABELS == 1].mean() > wide[LABELS == 0].mean() + 0.3


def test_conditioner_and_judge_share_no_patient(vocabulary, tmp_path, monkeypatch):
    seen: dict[str, set[int]] = {}

    def spy(name, position):
        original = getattr(module, name)

        def wrapped(*arguments):
            seen[name] = set(arguments[position].tolist())
            return original(*arguments)

        monkeypatch.setattr(module, name, wrapped)

    spy("_train_conditioner", 3)
    spy("_train_judge", 3)
    fit(tmp_path, vocabulary)
    patients = {name: {row // 2 for row in rows} for name, rows in seen.items()}
    first, second = patients.values()
    assert first
    assert second
    assert not first & second
    assert not (first | second) & {patient for patient in range(120) if patient % 4 == 0}, "test patients are seen"


def test_a_corpus_without_cases_is_refused_in_one_sentence(vocabulary, tmp_path):
    with pytest.raises(UserError, match=r"encoder\.judge\.min_cases = 500"):
        fit(tmp_path, vocabulary, min_cases=500)
