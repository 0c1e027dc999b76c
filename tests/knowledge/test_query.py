import pytest

from sediff.errors import UserError
from sediff.knowledge.embedding import embed
from sediff.knowledge.experience import Experience
from sediff.knowledge.index import KnowledgeIndex, refresh_index
from sediff.knowledge.query import experience_for_text

from .test_build import build


@pytest.fixture
def knowledge(corpus, simulator, source, vocabulary, tmp_path):
    build(tmp_path, corpus, simulator, [source], vocabulary)
    return tmp_path / "out"


def kinds(experience: Experience | None, records) -> set[tuple[str, ...]]:
    assert experience is not None
    about = dict(zip(records["record_id"], records["statements"].to_list(), strict=True))
    return {tuple(about[neighbour]) for neighbour in experience.neighbours}


def test_a_diagnosis_alone_brings_what_such_patients_have(knowledge, records, vocabulary):
    experience = experience_for_text("Vorhofflimmern", vocabulary, knowledge, k=4, age=60, sex="male")
    assert kinds(experience, records) == {("AFIB", "LVH")}
    assert experience is not None
    assert experience.statistics.value("heart_rate") == pytest.approx(112, abs=3)
    assert experience.statistics.shares[vocabulary.codes.index("LVH")] == 1
    assert experience.report.rhythm == "atrial fibrillation"
    assert experience.report.findings == ("left ventricular hypertrophy 100 %",)
    assert len(experience.neighbours) == 4
    assert experience.record_id == ""


def test_drugs_and_diagnoses_are_looked_up_by_name(knowledge, records, vocabulary):
    on_lanoxin = experience_for_text("elderly woman on Lanoxin", vocabulary, knowledge)
    assert kinds(on_lanoxin, records) == {("AFIB", "LVH")}
    hypertension = experience_for_text("arterielle Hypertonie", vocabulary, knowledge, k=30)
    assert len(kinds(hypertension, records)) == 3
    assert ("AFIB", "LVH") not in kinds(hypertension, records)


def test_what_is_ruled_out_is_left_out(knowledge, records, vocabulary):
    experience = experience_for_text("sinus rhythm, no evidence of LBBB", vocabulary, knowledge, k=30)
    assert kinds(experience, records) == {("NORM", "SR"), ("IMI", "QWAVE", "SR")}


def test_nothing_known_gives_no_experience(knowledge, vocabulary):
    assert experience_for_text("hello", vocabulary, knowledge) is None


def test_equal_questions_have_equal_experiences(knowledge, vocabulary):
    one = experience_for_text("LBBB", vocabulary, knowledge, age=50)
    assert one == experience_for_text("LBBB", vocabulary, knowledge, age=50)
    other = experience_for_text("LBBB", vocabulary, knowledge, age=51)
    assert one is not None and other is not None
    assert one.experience_id != other.experience_id


def test_a_missing_store_is_named(tmp_path, vocabulary):
    with pytest.raises(UserError, match=r"profiles\.parquet is missing"):
        experience_for_text("LBBB", vocabulary, tmp_path)


def test_the_index_finds_by_meaning(knowledge, records, vocabulary, tmp_path):
    index = KnowledgeIndex.open(knowledge, tmp_path / "chroma")
    assert len(index) == (records["split"] == "train").sum()
    nearest = index.nearest("fibrillating atrium, atrial fibrillation, hypertrophied ventricle", 5)
    about = dict(zip(records["record_id"], records["statements"].to_list(), strict=True))
    split = dict(zip(records["record_id"], records["split"], strict=True))
    assert all(about[record] == ["AFIB", "LVH"] and split[record] == "train" for record, _ in nearest)
    assert nearest == sorted(nearest, key=lambda pair: (-round(pair[1], 6), pair[0]))
    found = experience_for_text("fibrillating hypertrophied", vocabulary, knowledge, index, k=3)
    assert kinds(found, records) == {("AFIB", "LVH")}
    assert experience_for_text("fibrillating hypertrophied", vocabulary, knowledge, k=3) is None


def test_the_index_is_kept_and_rebuilt_when_the_store_changes(
    corpus, simulator, records, knowledge, vocabulary, tmp_path
):
    chroma = tmp_path / "chroma"
    KnowledgeIndex.open(knowledge, chroma)._collection.upsert(ids=["mark"], embeddings=list(embed(["mark"])))
    training = int((records["split"] == "train").sum())
    assert len(KnowledgeIndex.open(knowledge, chroma)) == training + 1
    records.filter(records["record_id"] != records.filter(records["split"] == "train")["record_id"][0]).write_parquet(
        corpus / "records/shard-000.parquet"
    )
    build(tmp_path, corpus, simulator, [], vocabulary)
    assert refresh_index(knowledge, chroma) == f"index of {training - 1} training experiences in Chroma"


def test_an_index_that_was_not_finished_is_rebuilt(knowledge, tmp_path, monkeypatch):
    chroma = tmp_path / "chroma"
    whole = len(KnowledgeIndex.open(knowledge, chroma))
    collection = KnowledgeIndex.open(knowledge, chroma)._collection
    collection.modify(metadata={"hash": "unfinished"})
    collection.delete(ids=collection.get(limit=3)["ids"])
    assert len(KnowledgeIndex.open(knowledge, chroma)) == whole


def test_a_broken_database_and_an_absent_server_are_named(knowledge, tmp_path):
    (tmp_path / "chroma").mkdir()
    (tmp_path / "chroma/chroma.sqlite3").write_text("this is no database " * 100)
    with pytest.raises(UserError, match="only a cache"):
        KnowledgeIndex.open(knowledge, tmp_path / "chroma")
    with pytest.raises(UserError, match="chroma run"):
        KnowledgeIndex.open(knowledge, tmp_path / "chroma", host="127.0.0.1", port=9)
