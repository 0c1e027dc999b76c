"""Corpora that are hardly one: each stage up to the denoiser's training works, or says in one sentence why not."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from sediff.autoencoder.params import AutoencoderParams
from sediff.autoencoder.train import train_autoencoder
from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.diffusion.params import DenoiserParams, DiffusionParams
from sediff.diffusion.train import train_diffusion
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.data import is_judges
from sediff.encoder.embedding import EmbeddingAccess
from sediff.encoder.train_conditioner import train_conditioner
from sediff.encoder.train_judges import train_judges
from sediff.errors import UserError
from sediff.files import read_json
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.profiles import FITS
from sediff.processes import in_processes
from sediff.records import read_columns, read_signals, signal_column, write_table
from sediff.simulator.fit import fit_simulator
from sediff.simulator.params import SimulatorParams
from sediff.sources import Source, SourceParams
from sediff.training import Job
from tests.encoder.conftest import PARAMS as ENCODER

NETWORK = DenoiserParams(width=48, depth=1, heads=2)


class Clone:
    """The stages on one corpus, each in its own folders."""

    def __init__(self, folder: Path, source: Source, vocabulary) -> None:
        self.folder, self.source, self.vocabulary = folder, source, vocabulary
        out = self.job("corpus")
        params = CorpusParams(sources=(SourceParams(name=source.name, reader=source.reader),), shards=1)
        folders = Folders(out.out, out.report, out.work, folder / "cache")
        build_corpus(params, [source], vocabulary, folders, in_processes(1))

    def job(self, stage: str) -> Job:
        base = self.folder / stage
        shutil.rmtree(base, ignore_errors=True)
        for part in ("out", "report/plots", "work"):
            (base / part).mkdir(parents=True)
        return Job(base / "out", base / "report", base / "work", 0, torch.device("cpu"))

    def out(self, stage: str) -> Path:
        return self.folder / stage / "out"

    def metrics(self, stage: str) -> dict:
        return read_json(self.folder / stage / "report/metrics.json")

    @property
    def records(self) -> pl.DataFrame:
        return read_columns(self.out("corpus") / "records")

    def change(self, constant: bool = False, **columns) -> None:
        """Replace columns of the corpus, or make all leads constant."""
        (path,) = (self.out("corpus") / "records").glob("*.parquet")
        signals = read_signals(path.parent)
        table = self.records.with_columns(**columns).to_arrow()
        write_table(table.append_column("signal", signal_column(0 * signals if constant else signals)), path)

    def random_conditioner(self) -> None:
        """One that nobody trained, where the stage refuses."""
        statements = len(self.vocabulary.codes)
        Conditioner(statements, 16, 64).eval().save(self.job("conditioner").out)

    def simulator(self) -> None:
        job = self.job("simulator")
        params = SimulatorParams(steps=4, record_steps=2)
        fit_simulator(params, self.out("corpus"), self.vocabulary, job.out, job.report)

    def knowledge(self) -> None:
        job = self.job("knowledge")
        fits = self.out("simulator") / "records.parquet"
        if not fits.is_file():  # the simulator has not run here, or refused: nobody was fitted
            fits.parent.mkdir(parents=True, exist_ok=True)
            pl.DataFrame(schema=FITS).write_parquet(fits)
        places = (self.out("corpus"), self.out("simulator"), [self.source], self.vocabulary, job.out, job.report)
        build_knowledge(KnowledgeParams(), *places, AnswerStore(self.folder / "answers"), None)

    def autoencoder(self) -> None:
        params = AutoencoderParams(width=16, depth=1, steps=30, batch_size=8, learning_rate=4e-3)
        train_autoencoder(params, self.out("corpus"), self.job("autoencoder"))

    def conditioner(self) -> None:
        arguments = (self.out("corpus"), self.out("knowledge"), self.vocabulary, EmbeddingAccess())
        train_conditioner(ENCODER, *arguments, self.job("conditioner"))

    def judges(self) -> None:
        train_judges(ENCODER, self.out("corpus"), self.folder / "none", self.vocabulary, self.job("judges"))

    def diffusion(self) -> None:
        params = DiffusionParams(denoiser=NETWORK, steps=3, batch_size=8)
        stages = map(self.out, ("corpus", "simulator", "knowledge", "conditioner", "autoencoder"))
        train_diffusion(params, *stages, self.vocabulary, self.job("diffusion"), EmbeddingAccess())


@pytest.fixture
def one_patient(cohort, scanned, vocabulary, tmp_path) -> Clone:
    """All recordings of the training patient who has most."""
    folder = Path(shutil.copytree(cohort, tmp_path / "raw"))
    table = pl.read_csv(folder / "ptbxl_database.csv").filter(pl.col("strat_fold") < 8)
    patient = table["patient_id"].mode().min()
    table.filter(pl.col("patient_id") == patient).write_csv(folder / "ptbxl_database.csv")
    return Clone(tmp_path / "clone", scanned(folder), vocabulary)


def one_sentence(stage, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        stage()
    assert "\n" not in str(error.value)


def test_a_corpus_of_one_training_patient(one_patient):
    clone = one_patient
    assert clone.records["patient_id"].n_unique() == 1
    assert len(clone.records) > 1
    clone.change(split=pl.lit("train"))
    clone.simulator()
    assert set(clone.metrics("simulator")["fallbacks"].values()) == {"all"}
    clone.knowledge()
    experience = pl.read_parquet(clone.out("knowledge") / "experience.parquet")
    assert experience["neighbours"].list.len().to_list() == [0] * len(clone.records), "there is nobody else"
    clone.autoencoder()
    assert all(part.isfinite().all() for part in load_file(clone.out("autoencoder") / "latents.safetensors").values())
    stages = {"judges": clone.judges, "conditioner": clone.conditioner}
    theirs = "judges" if is_judges(clone.records["patient_id"][0], ENCODER.judges_share) else "conditioner"
    stages.pop(theirs)()
    ((other, stage),) = stages.items()
    one_sentence(stage, f"too few training patients for the {other}: add records")
    clone.random_conditioner()
    clone.diffusion()
    assert np.isfinite(clone.metrics("diffusion")["final"]["denoising"])


def test_a_corpus_whose_one_patient_is_held_out(one_patient):
    clone = one_patient
    clone.change(split=pl.lit("test"))
    one_sentence(clone.simulator, "No training record of the corpus|corpus has no training record")
    one_sentence(clone.knowledge, "corpus has no training record to learn from")
    one_sentence(clone.autoencoder, "corpus has no training record: check corpus.folds")
    one_sentence(clone.conditioner, "too few training patients for the conditioner")
    one_sentence(clone.judges, "too few training patients for the judges")


def test_a_corpus_without_any_heart_rate(cohort, scanned, vocabulary, tmp_path):
    clone = Clone(tmp_path / "clone", scanned(cohort), vocabulary)
    clone.change(heart_rate=pl.lit(None, pl.Float32))
    one_sentence(clone.simulator, "No training record of the corpus has a heart rate")
    clone.knowledge()
    clone.autoencoder()
    clone.conditioner()
    assert np.isfinite(clone.metrics("conditioner")["contrastive_loss"])
    clone.judges()
    assert clone.metrics("judges")["text"]["records"] > 1


def test_a_corpus_of_constant_leads(cohort, scanned, vocabulary, tmp_path):
    """Screening sets flat recordings aside; what comes in all the same stops no judge."""
    clone = Clone(tmp_path / "clone", scanned(cohort), vocabulary)
    clone.change(constant=True)
    clone.judges()
    found = clone.metrics("judges")
    assert found["waveform"]["halves_found"] == 0, "what is alike finds no partner"
    clone.knowledge()
    clone.conditioner()
    assert np.isfinite(clone.metrics("conditioner")["contrastive_loss"])
