"""The whole audit of two generators on one corpus: one that learned its records by heart, and one that learned none."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sediff.autoencoder.params import AutoencoderParams
from sediff.autoencoder.train import train_autoencoder
from sediff.cohort.params import CohortParams
from sediff.cohort.write import write_cohort
from sediff.corpus.build import Folders as CorpusFolders
from sediff.corpus.build import build_corpus
from sediff.corpus.params import CorpusParams
from sediff.diffusion.params import DenoiserParams, DiffusionParams, MorphologyParams, PhysicsParams
from sediff.diffusion.train import train_diffusion
from sediff.ecg import independent_leads
from sediff.encoder.embedding import EmbeddingAccess
from sediff.encoder.params import ConditionerParams, EncoderParams
from sediff.encoder.train_conditioner import train_conditioner
from sediff.evaluation.compared import Records
from sediff.evaluation.exposure import Denoising, Folders, OwnFits
from sediff.evaluation.params import AuditParams
from sediff.evaluation.strangers import Candidates, attacks, of_rows
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.params import KnowledgeParams
from sediff.processes import in_processes
from sediff.records import read_columns, read_table
from sediff.simulator.fit import fit_simulator
from sediff.simulator.morphology import Morphology
from sediff.simulator.own import own_morphology
from sediff.simulator.params import SimulatorParams
from sediff.sources import Source, SourceParams, scan
from sediff.training import Job

PATIENTS, WITHHELD = 220, 0.7
STEPS, WORST = 2, 0.9  # of each record's own fit
OWN = OwnFits(STEPS, WORST)
AUDIT = AuditParams(records=400, decisive=100, reference_steps=30, batch_size=32, draws=2)


@dataclass(frozen=True)
class Bench:
    """A corpus of about 50 training records and what a generator of it needs."""

    folder: Path
    vocabulary: Any

    def job(self, name: str) -> Job:
        base = self.folder / name
        for part in ("out", "report/plots", "work"):
            (base / part).mkdir(parents=True)
        return Job(base / "out", base / "report", base / "work", 0, torch.device("cpu"))

    def train(self, name: str, steps: int, two_stages: bool = False) -> Folders:
        """A denoiser without any regularisation, of two stages one that always sees η."""
        generator = Folders(
            *(self.folder / part for part in ("simulator/out", "knowledge/out", "conditioner/out", "autoencoder/out")),
            self.folder / name / "out",
        )
        params = DiffusionParams(
            denoiser=DenoiserParams(width=64, depth=2, heads=2, patch=5, morphology=two_stages),
            morphology=MorphologyParams(width=16, depth=1, steps=2, batch_size=16, dropout=0.0, worst_error=WORST),
            physics=PhysicsParams(form="none"),
            steps=steps,
            batch_size=32,
            average=0.0,
            condition_dropout=0.0,
            precision="float32",
        )
        inputs = (generator.simulator, generator.knowledge, generator.conditioner, generator.autoencoder)
        corpus = self.folder / "corpus/out"
        train_diffusion(params, corpus, *inputs, self.vocabulary, self.job(name), EmbeddingAccess())
        return generator

    def audited(self, name: str, generator: Folders, copied: bool) -> tuple[Candidates, dict[str, Any]]:
        """The audit where the synthetic records are some members', disguised, or else those of test patients."""
        corpus, job = self.folder / "corpus/out", self.job(f"audit of {name}")
        candidates = Candidates.draw(corpus, AUDIT.records, np.random.default_rng(0))
        denoising = Denoising(generator, OWN, self.vocabulary, EmbeddingAccess(), torch.device("cpu"))
        columns = read_columns(corpus / "records")
        rows = np.flatnonzero((columns["split"] == ("train" if copied else "test")).to_numpy())
        rows, signals = of_rows(corpus, columns, rows)
        leads = np.roll(independent_leads(signals), 137, -1).astype(np.float32) * 0.0008
        made = Records(rows, signals, leads, {})
        return candidates, attacks(AUDIT, corpus, made, denoising, job, candidates)


@pytest.fixture(scope="module")
def bench(tmp_path_factory, vocabulary) -> Bench:
    folder = tmp_path_factory.mktemp("audit")
    one = Bench(folder, vocabulary)
    write_cohort(CohortParams(patients=PATIENTS), folder / "virtual", vocabulary)
    source = Source("virtual", "ptb-xl", "open", folder / "virtual", folder / "virtual.parquet")
    scan(source, folder / "scan.sqlite")
    jobs = {name: one.job(name) for name in ("corpus", "simulator", "knowledge", "conditioner", "autoencoder")}
    corpus, simulator, knowledge = (jobs[name].out for name in ("corpus", "simulator", "knowledge"))
    params = CorpusParams(sources=(SourceParams(name="virtual", reader="ptb-xl", sharing="open"),), audit=WITHHELD)
    folders = CorpusFolders(corpus, jobs["corpus"].report, jobs["corpus"].work, folder / "cache")
    build_corpus(params, [source], vocabulary, folders, in_processes(1))
    fit_simulator(SimulatorParams(steps=5, record_steps=STEPS), corpus, vocabulary, simulator, jobs["simulator"].report)
    build_knowledge(
        KnowledgeParams(),
        corpus,
        simulator,
        [source],
        vocabulary,
        knowledge,
        jobs["knowledge"].report,
        AnswerStore(folder / "answers"),
        None,
    )
    conditioner = EncoderParams(conditioner=ConditionerParams(width=32, buckets=64, steps=3, batch_size=8))
    train_conditioner(conditioner, corpus, knowledge, vocabulary, EmbeddingAccess(), jobs["conditioner"])
    small = AutoencoderParams(width=32, depth=2, steps=40, batch_size=16, precision="float32")
    train_autoencoder(small, corpus, jobs["autoencoder"])
    return one


def test_a_model_that_learned_fifty_records_by_heart_fails(bench):
    candidates, found = bench.audited("fitted", bench.train("fitted", steps=160), copied=True)
    assert 35 <= candidates.members <= 70
    assert len(candidates.rows) - candidates.members >= AUDIT.decisive
    assert set(candidates.rows["split"][: candidates.members]) == {"train"}
    assert set(candidates.rows["split"][candidates.members :]) == {"audit"}
    assert found["membership"]["auc_high"] > 0.55
    assert found["membership"]["tpr"] > 0.025
    assert found["attacks"]["calibrated_loss"]["auc"]["low"] > 0.55, "this is no chance"
    assert found["attacks"]["distance"]["tpr"]["value"] == 1.0, "copies come out, however shifted and scaled"
    sex = found["attributes"]["female"]
    assert sex["members"] > 0.95, "the copy itself is the most alike"
    assert sex["advantage"]["low"] > 0


def test_a_model_that_has_learned_nothing_tells_nobody(bench):
    _, found = bench.audited("fresh", bench.train("fresh", steps=1), copied=False)
    for of_attack in found["attacks"].values():
        assert of_attack["auc"]["low"] < 0.55, "not even the autoencoder's part tells"
        assert of_attack["tpr"]["value"] < 0.2
    for told in found["attributes"].values():
        assert "left_out" in told or told["advantage"]["low"] < 0.1


def test_a_model_of_two_stages_is_asked_about_a_record_with_that_records_own_morphology(bench):
    generator = bench.train("two stages", steps=60, two_stages=True)
    denoising = Denoising(generator, OWN, bench.vocabulary, EmbeddingAccess(), torch.device("cpu"))
    corpus = bench.folder / "corpus/out"
    candidates = Candidates.draw(corpus, 40, np.random.default_rng(0))
    data = denoising.data(candidates.rows, candidates.signals)
    known = data.simulated.channels[:, -1, 0] == 1
    assert known[: candidates.members].float().mean() > 0.5 < known[candidates.members :].float().mean()
    table = read_table(generator.simulator / "records.parquet")
    places = {record: row for row, record in enumerate(table["record_id"])}
    first = next(row for row in range(candidates.members) if known[row])
    stored = np.asarray(table["theta"].to_list()[places[candidates.rows["record_id"][first]]]).reshape(8, 5)
    anew = own_morphology(
        candidates.rows[: candidates.members],
        independent_leads(candidates.signals[: candidates.members]),
        Morphology.load(generator.simulator),
        STEPS,
    )
    again = np.asarray(anew.filter(pl.col("record_id") == candidates.rows["record_id"][first])["theta"][0])
    assert again.reshape(8, 5) == pytest.approx(stored, abs=1e-3), "fitted as in training"
    with_own = denoising.losses(denoising.denoiser, data, 1, 0)
    without = denoising.losses(denoising.denoiser, replace(data, simulated=None), 1, 0)
    rows = known.numpy()
    assert np.log(with_own[rows]).mean() < np.log(without[rows]).mean(), "η says what the record is"
    assert with_own[~rows] == pytest.approx(without[~rows], rel=0.5)
