import shutil

import numpy as np
import polars as pl
import pytest
import torch

from sediff.ecg import independent_leads
from sediff.encoder import train_conditioner, train_judges
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.data import is_judges
from sediff.errors import UserError
from sediff.records import read_columns, read_signals
from tests.encoder.conftest import LABELS, PARAMS
from tests.learnable import write_records


def patients_seen(stage, monkeypatch, module, run) -> set[str]:
    """The patients whose signals the trainings of a module are given."""
    rows = read_columns(stage.folder / "corpus/records")
    signals = independent_leads(read_signals(stage.folder / "corpus/records"))
    patient = {signal.tobytes(): name for signal, name in zip(signals, rows["patient_id"], strict=True)}
    seen: set[str] = set()
    original = module.train

    def spy(network, batch, loss, records, *rest):
        given = batch(torch.arange(records))
        (x,) = [part for part in (given if isinstance(given, tuple) else (given,)) if getattr(part, "ndim", 0) == 3]
        seen.update(patient[(1000 * row).round().to(torch.int16).numpy().tobytes()] for row in x)
        return original(network, batch, loss, records, *rest)

    monkeypatch.setattr(module, "train", spy)
    run()
    monkeypatch.undo()
    return seen


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_conditioner_and_judges_share_no_patient(stage, monkeypatch, share):
    params = PARAMS.model_copy(update={"judges_share": share})
    first = patients_seen(stage, monkeypatch, train_conditioner, lambda: stage.train_conditioner("one", params))
    second = patients_seen(stage, monkeypatch, train_judges, lambda: stage.train_judges("other", params))
    assert not first & second
    rows = read_columns(stage.folder / "corpus/records")
    assert first | second == set(rows.filter(pl.col("split") == "train")["patient_id"])
    assert share - 0.15 < len(second) / len(first | second) < share + 0.15


def test_a_larger_share_keeps_the_judges_patients():
    patients = [f"p{i}" for i in range(1000)]
    small, large = ({p for p in patients if is_judges(p, share)} for share in (0.3, 0.7))
    assert small < large
    assert 250 < len(small) < 350
    assert 650 < len(large) < 750


def test_it_learns_to_tell_conditions_by_their_ecgs(stage):
    longer = PARAMS.conditioner.model_copy(update={"steps": 40, "learning_rate": 1e-2})
    short = stage.train_conditioner("short")
    long = stage.train_conditioner("long", PARAMS.model_copy(update={"conditioner": longer}))
    assert long["contrastive_loss"] < short["contrastive_loss"] - 0.3
    assert Conditioner.load(stage.folder / "long/out").config["embedding"] is None


def test_records_without_any_number_train(stage):
    shutil.rmtree(stage.folder / "corpus")
    write_records(stage.folder / "corpus", LABELS, missing=("age", "heart_rate", "axis"))
    assert np.isfinite(stage.train_conditioner("run")["contrastive_loss"])


def test_a_corpus_of_one_patient_is_refused_in_one_sentence(stage):
    shutil.rmtree(stage.folder / "corpus")
    write_records(stage.folder / "corpus", np.zeros(2, int))
    with pytest.raises(UserError, match="too few training patients for the conditioner"):
        stage.train_conditioner("run")
