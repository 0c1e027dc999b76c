import json

import numpy as np
import polars as pl
import torch

from sediff.augmentation.augment import ARMS, train_classifiers
from sediff.augmentation.params import AugmentationParams
from sediff.pseudonyms import Pseudonyms
from sediff.training import Job
from tests.learnable import write_records

OPEN = Pseudonyms()
LABELS = np.arange(240) // 8 % 2


def fit(tmp_path, vocabulary, mislabelled: bool = False, pseudonyms: Pseudonyms = OPEN, **changes) -> dict:
    write_records(tmp_path / "corpus", LABELS)
    write_records(tmp_path / "synthetic", LABELS, seed=1, mislabelled=mislabelled)
    for name in ("out", "report", "work"):
        (tmp_path / name).mkdir()
    params = AugmentationParams(
        **{"width": 8, "steps": 30, "batch_size": 32, "learning_rate": 1e-2, "min_cases": 5, "bootstraps": 5} | changes
    )
    folders = (tmp_path / "corpus", tmp_path / "synthetic", vocabulary, pseudonyms)
    job = Job(tmp_path / "out", tmp_path / "report", tmp_path / "work", 0, torch.device("cpu"))
    train_classifiers(params, *folders, job)
    return json.loads((tmp_path / "report/metrics.json").read_text())


def test_good_synthetic_records_teach_and_the_tests_are_real(vocabulary, tmp_path):
    metrics = fit(tmp_path, vocabulary)
    for arm in ARMS:
        assert metrics[arm]["macro_auroc"] > 0.9, arm
        assert metrics[arm]["low"] <= metrics[arm]["macro_auroc"] <= metrics[arm]["high"]
    table = pl.read_parquet(tmp_path / "out/predictions.parquet")
    tested = {f"r/{i:03d}" for i in range(240) if i // 2 % 4 == 0}
    assert set(table["record_id"]) == tested
    assert table["arm"].value_counts()["count"].to_list() == [len(tested)] * len(ARMS)


def test_restricted_records_are_tested_under_pseudonyms_in_no_order_of_theirs(vocabulary, tmp_path):
    pseudonyms = Pseudonyms(frozenset({"r"}), b"k" * 32)
    fit(tmp_path, vocabulary, pseudonyms=pseudonyms, steps=1)
    table = pl.read_parquet(tmp_path / "out/predictions.parquet")
    tested = [pseudonyms.of(f"r/{i:03d}") for i in range(240) if i // 2 % 4 == 0]
    assert table.filter(arm="both")["record_id"].to_list() == sorted(tested) != tested


def test_mislabelled_synthetic_records_mislead(vocabulary, tmp_path):
    metrics = fit(tmp_path, vocabulary, mislabelled=True)
    assert metrics["real"]["macro_auroc"] > 0.9
    assert metrics["synthetic"]["macro_auroc"] < 0.2


def test_too_few_cases_are_said_not_scored(vocabulary, tmp_path):
    metrics = fit(tmp_path, vocabulary, min_cases=200)
    assert metrics == {"left_out": ["no superclass has augmentation.min_cases = 200 cases in training and in test"]}
