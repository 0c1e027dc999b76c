import json
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from sediff.autoencoder.model import Autoencoder
from sediff.autoencoder.params import AutoencoderParams
from sediff.autoencoder.train import standardise, train_autoencoder
from sediff.ecg import independent_leads
from sediff.errors import UserError
from sediff.records import read_columns, read_signals, signal_column, write_table
from sediff.training import Job, Start
from tests.learnable import write_records

PARAMS = AutoencoderParams(width=32, depth=1, steps=60, batch_size=16, learning_rate=4e-3)


def job(folder):
    made = Job(folder / "out", folder / "report", folder / "work", 0, torch.device("cpu"))
    made.out.mkdir(parents=True)
    return made


def corpus(folder, change=None, split=None):
    """A tiny corpus whose beats lie 0.8 s apart, changed by a function of its signals (n, 12, 1000)."""
    write_records(folder, np.arange(64) % 2)
    records, signals = read_columns(folder / "records"), read_signals(folder / "records")
    records = records.with_columns(r_peaks=pl.Series([np.arange(0.5, 9.8, 0.8).tolist()] * 64))
    if split:
        records = records.with_columns(split=pl.lit(split))
    table: pa.Table = records.to_arrow().append_column("signal", signal_column(change(signals) if change else signals))
    write_table(table, folder / "records/shard-000.parquet")
    return folder


def test_latents_are_those_of_the_training_records_and_standardised(tmp_path):
    made = job(tmp_path)
    train_autoencoder(PARAMS, corpus(tmp_path / "corpus"), made)
    latents = load_file(made.out / "latents.safetensors")["latents"]
    training = (read_columns(tmp_path / "corpus/records")["split"] == "train").sum()
    assert latents.shape == (training, 10, 125)
    assert torch.allclose(latents.mean((0, 2)), torch.zeros(10), atol=1e-3)
    assert torch.allclose(latents.std((0, 2)), torch.ones(10), atol=1e-2)
    metrics = json.loads((made.report / "metrics.json").read_text())
    assert metrics["test_records"] == 64 - training
    assert (made.report / "plots/reconstructions.png").stat().st_size > 10_000


def test_it_learns(tmp_path):
    errors = []
    for steps in (1, 150):
        made = job(tmp_path / str(steps))
        train_autoencoder(PARAMS.model_copy(update={"steps": steps}), corpus(tmp_path / f"corpus{steps}"), made)
        errors.append(json.loads((made.report / "metrics.json").read_text())["absolute_error_uv"]["median"])
    assert errors[1] < 0.5 * errors[0]


def test_constant_leads_do_not_stop_it(tmp_path):
    made = job(tmp_path)
    train_autoencoder(PARAMS, corpus(tmp_path / "corpus", np.zeros_like), made)
    assert json.loads((made.report / "metrics.json").read_text())["changes"]["records"] == 0


def test_without_test_records_nothing_is_scored(tmp_path):
    made = job(tmp_path)
    told = train_autoencoder(PARAMS, corpus(tmp_path / "corpus", split="train"), made)
    assert "no test record to score" in told


def test_without_training_records_it_says_so(tmp_path):
    with pytest.raises(UserError, match="no training record"):
        train_autoencoder(PARAMS, corpus(tmp_path / "corpus", split="test"), job(tmp_path))


def test_a_latent_of_no_scale_is_refused():
    with pytest.raises(UserError, match="A latent channel carries nothing"):
        standardise(Autoencoder(16, 1), torch.zeros(4, 10, 125))


def test_a_continued_autoencoder_goes_on_from_the_errors_it_had_and_standardises_its_latents_anew(tmp_path):
    records, first = corpus(tmp_path / "corpus"), job(tmp_path / "first")
    train_autoencoder(PARAMS.model_copy(update={"steps": 150}), records, first)
    begun = Autoencoder.load(first.out)
    assert not torch.allclose(begun.scale, torch.ones_like(begun.scale), atol=0.05), "or it would not matter"
    continued, anew = replace(job(tmp_path / "next"), start=Start(first.out, 0.1)), job(tmp_path / "anew")
    train_autoencoder(PARAMS, records, continued)
    train_autoencoder(PARAMS.model_copy(update={"steps": 6}), records, anew)
    made = Autoencoder.load(continued.out)
    assert json.loads((continued.report / "curves.json").read_text())["autoencoder"]["loss"]["x"][-1] == 6
    latents = load_file(continued.out / "latents.safetensors")["latents"]
    assert torch.allclose(latents.mean((0, 2)), torch.zeros(10), atol=1e-3)
    assert torch.allclose(latents.std((0, 2)), torch.ones(10), atol=1e-2)
    training = (read_columns(records / "records")["split"] == "train").to_numpy()
    signals = torch.from_numpy(independent_leads(read_signals(records / "records"))[training]).float() / 1000
    assert torch.allclose(made.encode(signals), latents, atol=1e-3), "scale and shift are those of its own latents"
    errors = {
        made: json.loads((made.report / "metrics.json").read_text())["absolute_error_uv"]["median"]
        for made in (first, continued, anew)
    }
    assert errors[continued] < 0.5 * errors[anew]
    assert errors[continued] < 1.5 * errors[first]
