import shutil

import numpy as np
import polars as pl
import pytest
import torch
import yaml

from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder import train_judges as module
from sediff.encoder.contrast import WaveformJudge, disturbed, halves
from sediff.encoder.data import is_judges
from sediff.encoder.judge import Judge
from sediff.encoder.patients import Training
from sediff.encoder.text_ecg import TextJudge
from sediff.errors import UserError
from sediff.records import read_columns, read_signals
from sediff.vocabulary import Vocabulary
from tests.conftest import ROOT
from tests.encoder.conftest import LABELS, PARAMS, judges_params
from tests.learnable import CODES, write_records


def test_each_judge_learns_what_can_be_learned(stage):
    metrics = stage.train_judges("run")
    out = stage.folder / "run/out"
    judge = Judge.load(out)
    rows = read_columns(stage.folder / "corpus/records").filter(pl.col("split") == "train")
    taught = {patient for patient in rows["patient_id"] if is_judges(patient, PARAMS.judges_share)}
    assert set(Training.read(out).patients) == taught
    assert sorted(judge.codes) == sorted(CODES)
    assert metrics["statement"]["macro_auroc"] > 0.95
    assert set(metrics["statement"]["superclasses"]) == {"NORM", "CD"}
    assert metrics["statement"]["superclass_auroc"] > 0.95
    assert metrics["waveform"]["probe_macro_auroc"] > 0.9
    assert metrics["waveform"]["halves_found"] > 3 * metrics["waveform"]["halves_found_by_chance"]
    assert metrics["text"]["text_to_ecg"]["hits_at_1"] > 0.9
    assert metrics["text"]["frequency_baseline"]["hits_at_1"] == pytest.approx(0.5, abs=0.1)
    leads = to_millivolts(independent_leads(read_signals(stage.folder / "corpus/records")))
    assert judge.features(leads).shape == WaveformJudge.load(out).features(leads).shape == (len(LABELS), 64)
    wide = judge.probabilities(leads)[:, judge.codes.index("CLBBB")]
    assert wide[LABELS == 1].mean() > wide[LABELS == 0].mean() + 0.3


def test_texts_are_near_the_ecgs_they_describe(stage):
    stage.train_judges("run")
    judge = TextJudge.load(stage.folder / "run/out")
    places = judge.texts(judge.encode(["left bundle branch block", "normales ekg"], stage.vocabulary))
    leads = to_millivolts(independent_leads(read_signals(stage.folder / "corpus/records")))
    cosine = judge.ecgs(leads) @ places.T
    assert np.linalg.norm(places, axis=1) == pytest.approx(1)
    assert ((cosine[:, 0] > cosine[:, 1]) == (LABELS == 1)).mean() > 0.9


def test_a_judge_reads_a_text_alike_when_the_vocabulary_has_grown_in_the_middle(stage):
    knowledge = shutil.copytree(ROOT / "knowledge", stage.folder / "curated")
    path = knowledge / "statements.yaml"
    added = {"BBBX": {"name": "a block of the new kind", "kinds": ["diagnostic"]}}
    path.write_text(yaml.safe_dump(added | yaml.safe_load(path.read_text()), allow_unicode=True))
    grown = Vocabulary.load(path)
    assert "BBBX" < "CLBBB"
    assert len(grown.codes) == len(stage.vocabulary.codes) + 1
    stage.train_judges("run")
    judge = TextJudge.load(stage.folder / "run/out")
    texts = ["left bundle branch block, sinus rhythm", "normal ECG, possible ST depression"]
    before, after = (judge.encode(texts, vocabulary) for vocabulary in (stage.vocabulary, grown))
    assert before.statements.any(1).all()
    assert (judge.texts(before) == judge.texts(after)).all()
    unknown = judge.encode(["a block of the new kind"], grown)
    assert not unknown.statements.any(), "what it has not learned is padding"
    assert np.isfinite(judge.texts(unknown)).all()


def test_the_same_seed_gives_the_same_bytes(stage):
    first, second = stage.train_judges("first"), stage.train_judges("second")
    assert first == second
    assert len({first[name]["sha256"] for name in ("statement", "waveform", "text")}) == 3


def test_a_corpus_without_cases_is_refused_in_one_sentence(stage):
    with pytest.raises(UserError, match=r"encoder\.judges\.statement\.min_cases = 500"):
        stage.train_judges("run", judges_params(min_cases=500))


def test_a_class_of_one_record_is_neither_learned_nor_scored(stage):
    labels = np.zeros(240, int)
    labels[2] = 1  # a training patient's
    write_records(stage.folder / "lonely", labels)
    metrics = stage.train_judges("run", corpus="lonely")
    assert Judge.load(stage.folder / "run/out").codes == ("NORM",)
    assert "macro_auroc" not in metrics["statement"]


def test_a_corpus_of_one_patient_is_refused_in_one_sentence(stage):
    write_records(stage.folder / "one", np.zeros(2, int))
    with pytest.raises(UserError, match="too few training patients for the judges"):
        stage.train_judges("run", corpus="one")


def test_a_corpus_without_held_out_patients_has_judges_without_scores(stage, monkeypatch):
    read = module.read_records

    def without_test(*arguments):
        records = read(*arguments)
        return type(records)(records.columns, records.signals, records.training, records.test[:0])

    monkeypatch.setattr(module, "read_records", without_test)
    assert stage.train_judges("run")["statement"]["records"] == 0


def test_halves_are_disturbed_but_not_beyond_recognition():
    x = torch.randn(16, 8, 1000, generator=torch.Generator().manual_seed(0))
    first, last = halves(x)
    assert torch.equal(torch.cat([first, last], -1), x)
    rng = torch.Generator().manual_seed(1)
    one, other = disturbed(first, rng), disturbed(first, rng)
    assert not torch.equal(one, other)
    on = one.abs().sum(-1) > 0
    assert 0.7 < on.float().mean() < 1
    correlation = torch.nn.functional.cosine_similarity(one, first, dim=-1)[on]
    assert correlation.min() > 0.95


@pytest.mark.parametrize("name", ["statement", "waveform", "text"])
def test_damaged_files_are_one_sentence(stage, name):
    stage.train_judges("run")
    out = stage.folder / "run/out"
    load = {"statement": Judge, "waveform": WaveformJudge, "text": TextJudge}[name].load
    for suffix in ("safetensors", "json"):
        path = out / f"{name}.{suffix}"
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match=rf"{name}\.{suffix} is missing or damaged") as error:
            load(out)
        assert "\n" not in str(error.value)
        path.write_bytes(content)


def test_a_checkpoint_of_another_width_is_refused(stage):
    """An interrupted training goes on from its own checkpoint only."""
    stage.train_judges("run")
    wider = PARAMS.judges.waveform.model_copy(update={"width": 12})
    params = PARAMS.model_copy(update={"judges": PARAMS.judges.model_copy(update={"waveform": wider})})
    job = stage.job("other")
    job.work.rmdir()
    (stage.folder / "run/work").rename(job.work)
    with pytest.raises(UserError, match="another network"):
        module.train_judges(params, stage.folder / "corpus", stage.pinned, stage.vocabulary, job)
