"""Free-text requests on a small real store: what the text states reaches the condition, and is kept with the record."""

import numpy as np
import pytest

from sediff.knowledge.exact import ExactIndex
from sediff.knowledge.query import ask
from sediff.knowledge.store import open_store
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.generator import Slot
from sediff.synthesis.params import PromptRequest
from sediff.synthesis.plan import Planner
from sediff.synthesis.prompt import record_of
from sediff.synthesis.request import RequestRow
from sediff.synthesis.synthesize import _rests_on

from .test_build import build


@pytest.fixture
def rows(corpus, simulator, source, vocabulary, tmp_path):
    build(tmp_path, corpus, simulator, [source], vocabulary)
    (tmp_path / "out").rename(tmp_path / "knowledge")

    def asked(pseudonyms: Pseudonyms, *prompts: PromptRequest) -> list[RequestRow]:
        return Planner(tmp_path, vocabulary, pseudonyms, 0).request(prompts).rows(0, len(prompts))

    return asked


def test_what_the_text_states_reaches_the_condition(rows):
    text = "72-year-old woman, atrial fibrillation, no LBBB, 120 bpm"
    given = PromptRequest(text=text, age=40, sex="male", heart_rate=80, records=1)
    stated, told = rows(Pseudonyms(), PromptRequest(text=text, records=1), given)
    assert (stated.condition.age, stated.condition.sex, stated.condition.heart_rate) == (72, "female", 120)
    assert (told.condition.age, told.condition.sex, told.condition.heart_rate) == (40, "male", 80)
    assert stated.condition.text == text
    assert stated.statements == ("AFIB",)


def test_the_rate_asked_for_chooses_where_nothing_else_does(rows):
    """As in `sediff generate`, though answers are kept without the rate where it chooses nothing."""
    slow, fast, named = rows(
        Pseudonyms(),
        PromptRequest(text="palpitations", heart_rate=60, records=1),
        PromptRequest(text="palpitations", heart_rate=110, records=1),
        PromptRequest(text="AF", heart_rate=60, records=1),
    )
    usual = [row.condition.experience.statistics.value("heart_rate") for row in (slow, fast, named)]
    assert usual[0] < 65 and usual[1] > 105 and usual[2] > 105
    assert (slow.condition.heart_rate, fast.condition.heart_rate, named.condition.heart_rate) == (60, 110, 60)


def test_a_record_keeps_what_it_rests_on(rows, records):
    pseudonyms = Pseudonyms(frozenset({"cohort"}), bytes(32))
    row, unknown = rows(pseudonyms, PromptRequest(text="AF", records=1), PromptRequest(text="qqq", records=1))
    kept = _rests_on(row)
    assert kept["distiller"] == "offline" and "left ventricular hypertrophy" in kept["experience"].lower()
    assert len(kept["neighbours"]) == len(kept["similarities"]) > 0
    training = records.filter(records["split"] == "train")["record_id"]
    assert set(kept["neighbours"]) <= {pseudonyms.of(record) for record in training}
    assert _rests_on(unknown)["neighbours"] == [] and "confidence" not in _rests_on(unknown)
    signal = np.zeros((12, 1000), np.int16)
    comments = record_of(row, Slot(0, 0), signal, "model").comments()
    assert any(kept["experience"] in comment and "offline" in comment for comment in comments)
    assert all(neighbour in " ".join(comments) for neighbour in kept["neighbours"])
    for name in ("confidence", "exact_similarity", "meaning_similarity"):
        assert f"{name}: {kept[name]:.2f}" in comments
    assert "experience: none" in record_of(unknown, Slot(0, 0), signal, "model").comments()


def test_a_record_keeps_how_sure_and_how_like_its_experience_is(rows, tmp_path, vocabulary):
    """Both similarities of the neighbour that is most like, as `sediff knowledge ask` shows them."""
    text = "atrial fibrillation, hypertension, on digoxin"
    (row,) = rows(Pseudonyms(), PromptRequest(text=text, records=1))
    store = open_store(tmp_path / "knowledge")
    answer = ask(text, vocabulary, store, ExactIndex(store.distinct_texts))
    kept = _rests_on(row)
    assert kept["confidence"] == answer.experience.report.confidence > 0
    assert kept["exact_similarity"] == max(neighbour.tau for neighbour in answer.neighbours)
    assert kept["meaning_similarity"] == max(neighbour.cosine for neighbour in answer.neighbours)
    assert 0 < kept["exact_similarity"] <= 1 and 0 < kept["meaning_similarity"] < 1
