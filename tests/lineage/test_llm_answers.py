"""An experience that a language model wrote leads to what it was asked and answered."""

import json
from dataclasses import replace

import pytest

from sediff.endpoint import Endpoint
from sediff.files import read_json, write_json
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.experience import read_experiences
from sediff.knowledge.llm import LlmAccess
from sediff.knowledge.params import KnowledgeParams
from sediff.lineage.audit import audit
from sediff.sources import Source
from tests.knowledge.llm_server import completion, report, serving
from tests.lineage.conftest import ROOT

PARAMS = KnowledgeParams(neighbours=5, distiller="llm", model="m")


@pytest.fixture
def asked(tree, vocabulary, monkeypatch):
    """The tree with experiences of a model that is asked twice of sinus rhythm, and of atrial fibrillation in vain."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.chdir(ROOT)

    def play(body):
        prompt = json.loads(body["messages"][1]["content"])
        if "fibrillation" in prompt["condition"]:
            return completion("no JSON")
        return report(cited=["N9"] if len(body["messages"]) == 2 else ["N1"])

    source = Source("virtual", "ptb-xl", "open", tree / "raw", tree / "data/sources/virtual.parquet")
    out, told = tree / "data/knowledge", tree / ".sediff/report"
    with serving(play) as server:
        endpoint = replace(Endpoint(server.url, "m"), retries=0)
        store = AnswerStore(tree / ".sediff/answers")
        given = PARAMS, tree / "data/corpus", tree / "data/simulator", [source], vocabulary
        build_knowledge(*given, out, told, store, LlmAccess(endpoint))
    return tree


def test_the_answers_of_an_experience_are_found_with_their_prompts(asked):
    by = {}
    for experience in read_experiences(asked / "data/knowledge"):
        lineage = audit(asked, experience.experience_id)
        answers = [node for node in lineage.nodes.values() if node.type == "answer"]
        by.setdefault(experience.distiller, []).append(len(answers))
        for node in answers:
            assert len(node.facts["prompt"]["neighbours"]) == len(experience.neighbours)
            assert node.facts["model"] == "m"
            assert node.key.removeprefix("answer:") in {path.stem for path in (asked / ".sediff/answers").iterdir()}
        if experience.distiller == "llm:m":
            assert json.loads(answers[-1].facts["content"])["cited"] == ["N1"], "the one that counted is the last"
            assert lineage.nodes["llm:m"].kind == "agent"
        else:
            assert lineage.root.facts["fallback_reason"]
    assert set(by) == {"llm:m", "offline"}
    assert all(set(counts) == {2} for counts in by.values()), "each was asked twice"


def test_a_synthetic_record_leads_to_the_answer_too(asked):
    manifest = asked / "data/knowledge/manifest.json"
    write_json(manifest, read_json(manifest))
    lineage = audit(asked, "evaluation/000000")
    assert [node.type for node in lineage.nodes.values()].count("answer") == 2
