import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.files import read_json
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.experience import read_experiences
from sediff.knowledge.params import KnowledgeParams, SimilarityWeights
from sediff.knowledge.prompt import age_band

from .test_llm import GOOD, message, played

PARAMS = KnowledgeParams(neighbours=5)


def build(base, corpus, simulator, sources, vocabulary, params=PARAMS, llm=None) -> str:
    out, report = base / "out", base / "report"
    out.mkdir(parents=True, exist_ok=True)
    report.mkdir(exist_ok=True)
    return build_knowledge(params, corpus, simulator, sources, vocabulary, out, report, base / "answers", llm)


def test_each_record_has_an_experience_of_other_training_patients(
    corpus, simulator, records, source, vocabulary, tmp_path
):
    said = build(tmp_path, corpus, simulator, [source], vocabulary)
    assert "80 experiences (80 offline)" in said and "80 with an EHR" in said
    about = {row["record_id"]: row for row in records.iter_rows(named=True)}
    experiences = read_experiences(tmp_path / "out")
    assert [e.record_id for e in experiences] == records["record_id"].to_list()
    for experience in experiences:
        own = about[experience.record_id]
        assert len(experience.neighbours) == 5
        for neighbour in experience.neighbours:
            assert about[neighbour]["split"] == "train"
            assert about[neighbour]["patient_id"] != own["patient_id"]
            assert about[neighbour]["statements"] == own["statements"]
        statistics = experience.statistics
        assert not statistics.shares.any(), "they state what the record states, about which it is told nothing"
        assert statistics["amplitudes"].median[0] == own["amplitudes"][0]
        assert statistics["st"].known.tolist() == [5] * 12
        assert statistics["theta"].known[0] == (0 if "IMI" in own["statements"] else 5)
        assert statistics.value("pr") is None if "AFIB" in own["statements"] else 160 <= statistics.value("pr") <= 166
        assert experience.report.rhythm in ("sinus rhythm", "atrial fibrillation")
        assert (experience.distiller, len(experience.report.cited)) == ("offline", 5)
    ids = [e.record_id for e in experiences][::-1]
    assert [e.record_id for e in read_experiences(tmp_path / "out", ids)] == ids


def test_metrics_and_picture_are_written(corpus, simulator, vocabulary, tmp_path):
    build(tmp_path, corpus, simulator, [], vocabulary)
    metrics = read_json(tmp_path / "report/metrics.json")
    assert metrics["profiles"] == 80 and metrics["distillers"] == {"offline": 80} and metrics["linked"] == 0
    assert metrics["neighbours_sharing_diagnosis"] == 1 > metrics["random_sharing_diagnosis"]
    assert metrics["heart_rate_error"] < metrics["heart_rate_error_of_median"]
    assert (tmp_path / "report/plots/knowledge.png").stat().st_size > 1000


def test_a_held_out_record_changes_no_other_experience(corpus, simulator, records, vocabulary, tmp_path):
    build(tmp_path / "a", corpus, simulator, [], vocabulary)
    changed = records.with_columns(
        pl.when(pl.col("split") == "train").then("heart_rate").otherwise(200.0).alias("heart_rate")
    )
    changed.cast({"heart_rate": pl.Float32}).write_parquet(corpus / "records/shard-000.parquet")
    build(tmp_path / "b", corpus, simulator, [], vocabulary)
    assert (tmp_path / "a/out/experience.parquet").read_bytes() == (tmp_path / "b/out/experience.parquet").read_bytes()


def test_the_same_corpus_gives_the_same_bytes(corpus, simulator, source, vocabulary, tmp_path):
    build(tmp_path / "a", corpus, simulator, [source], vocabulary)
    build(tmp_path / "b", corpus, simulator, [source], vocabulary)
    for name in ("out/profiles.parquet", "out/terms.parquet", "out/experience.parquet", "report/metrics.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_ehr_that_is_not_in_the_inventory_is_refused(corpus, simulator, source, vocabulary, tmp_path):
    with (source.root / "hosp/admissions.csv").open("a") as stream:
        stream.write("1,2,2020-01-01 00:00:00,2020-01-02 00:00:00\n")
    with pytest.raises(UserError, match=r"admissions\.csv is not the file in the inventory"):
        build(tmp_path, corpus, simulator, [source], vocabulary)


def test_restricted_sources_go_to_no_other_machine(corpus, simulator, source, vocabulary, tmp_path):
    llm = KnowledgeParams(distiller="llm", model="m")
    restricted = [replace(source, sharing="restricted")]
    with pytest.raises(UserError, match="cohort is restricted"):
        build(tmp_path, corpus, simulator, restricted, vocabulary, llm, Endpoint("https://llm.example.org/v1", "m"))
    with pytest.raises(UserError, match="no endpoint is configured"):
        build(tmp_path, corpus, simulator, restricted, vocabulary, llm)
    with played(message(json.dumps(GOOD))) as server:
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "m")
        assert "80 llm:m" in build(tmp_path, corpus, simulator, restricted, vocabulary, llm, endpoint)
    sent = json.dumps(server.asked)
    assert 0 < len(server.asked) <= 80
    assert "cohort/" not in sent and "2020-01" not in sent


def test_ages_are_told_in_bands():
    assert [age_band(age) for age in (None, float("nan"), 7, 71.5, 90, 103)] == [
        None, None, "0 to 9", "70 to 79", "90 or over", "90 or over",
    ]  # fmt: skip


def test_weights_choose_the_view(corpus, simulator, records, vocabulary, tmp_path):
    rhythm = SimilarityWeights(diagnoses=0, medications=0, procedures=1)
    build(tmp_path, corpus, simulator, [], vocabulary, KnowledgeParams(neighbours=30, weights=rhythm))
    about = dict(zip(records["record_id"], records["statements"].to_list(), strict=True))
    sinus = [e for e in read_experiences(tmp_path / "out") if "SR" in about[e.record_id]]
    assert all("SR" in about[n] for e in sinus for n in e.neighbours)
    assert np.mean([about[n] != about[e.record_id] for e in sinus for n in e.neighbours]) > 0.2
