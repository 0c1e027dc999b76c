"""Free-text requests on a small real store: what the text states reaches the condition, and is kept with the record."""

import polars as pl
import pytest

from sediff.knowledge.build import build_knowledge
from sediff.knowledge.params import KnowledgeParams
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.generator import Slot
from sediff.synthesis.params import PromptRequest
from sediff.synthesis.prompt import _comments
from sediff.synthesis.request import prompt_request
from sediff.synthesis.synthesize import _rests_on
from sediff.vocabulary import Vocabulary
from tests.knowledge.conftest import ROOT


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.load(ROOT / "knowledge/statements.yaml")


@pytest.fixture
def knowledge(tmp_path, monkeypatch, vocabulary):
    monkeypatch.chdir(ROOT)
    rows = [
        {
            "record_id": f"ward/{number:03d}",
            "patient_id": f"ward/p{number:03d}",
            "source": "ward",
            "recorded_at": "",
            "split": "train",
            "age": 50.0,
            "sex": "male",
            "statements": ["AFIB"] if number % 2 else ["SR", "NORM"],
            "heart_rate": 110.0 if number % 2 else 60.0,
            "rmssd": 100.0,
            "amplitudes": [1.0] * 8,
        }
        for number in range(30)
    ]
    for folder in ("corpus/records", "out", "report"):
        (tmp_path / folder).mkdir(parents=True)
    pl.DataFrame(rows).write_parquet(tmp_path / "corpus/records/shard-000.parquet")
    build_knowledge(
        KnowledgeParams(neighbours=5), tmp_path / "corpus", [], vocabulary, tmp_path / "out", tmp_path / "report",
        tmp_path / "answers", None,
    )  # fmt: skip
    return tmp_path / "out"


def test_what_the_text_states_reaches_the_condition(knowledge, vocabulary):
    text = "72-year-old woman, atrial fibrillation, no LBBB, 120 bpm"
    stated, given = prompt_request(
        [PromptRequest(text=text, records=1), PromptRequest(text=text, age=40, sex="male", heart_rate=80, records=1)],
        vocabulary, knowledge, None, Pseudonyms(),
    )  # fmt: skip
    assert (stated.condition.age, stated.condition.sex, stated.condition.heart_rate) == (72, "female", 120)
    assert (given.condition.age, given.condition.sex, given.condition.heart_rate) == (40, "male", 80)
    assert stated.condition.text == text
    assert stated.statements == ("AFIB",)


def test_a_record_keeps_what_it_rests_on(knowledge, vocabulary, tmp_path):
    pseudonyms = Pseudonyms(frozenset({"ward"}), bytes(32))
    (row,) = prompt_request([PromptRequest(text="AF", records=1)], vocabulary, knowledge, None, pseudonyms)
    kept = _rests_on(row.condition.experience)
    assert kept["distiller"] == "offline" and "trial fibrillation" in kept["experience"]
    assert len(kept["neighbours"]) == len(kept["similarities"]) > 0
    known = {pseudonyms.of(f"ward/{number:03d}") for number in range(30)}
    assert set(kept["neighbours"]) <= known
    (unknown,) = prompt_request([PromptRequest(text="qqq", records=1)], vocabulary, knowledge, None, pseudonyms)
    assert _rests_on(unknown.condition.experience)["neighbours"] == []
    comments = _comments(row, Slot(0, 0), "model")
    assert any(kept["experience"] in comment and "offline" in comment for comment in comments)
    assert all(neighbour in " ".join(comments) for neighbour in kept["neighbours"])
    assert "experience: none" in _comments(unknown, Slot(0, 0), "model")
