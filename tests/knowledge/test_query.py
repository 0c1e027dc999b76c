import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from sediff.errors import UserError
from sediff.files import write_json
from sediff.knowledge.check import check
from sediff.knowledge.embedding import embed
from sediff.knowledge.exact import ExactIndex
from sediff.knowledge.experience import SCHEMA, Experience, experience_rows
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.profiles import PROFILES, SCHEMA_VERSION, VIEWS, age_band, statement_views
from sediff.knowledge.query import MEANING, ask
from sediff.knowledge.show import answer_lines, understood_lines
from sediff.knowledge.store import open_store
from sediff.knowledge.terms import diagnosis_names, read_broader
from sediff.pseudonyms import Pseudonyms
from sediff.records import write_table

from .test_build import build


@pytest.fixture
def knowledge(corpus, simulator, source, vocabulary, tmp_path):
    build(tmp_path, corpus, simulator, [source], vocabulary)
    return tmp_path / "out"


@pytest.fixture
def store(knowledge):
    return open_store(knowledge)


def kinds(experience: Experience | None, records) -> set[tuple[str, ...]]:
    assert experience is not None
    about = dict(zip(records["record_id"], records["statements"].to_list(), strict=True))
    return {tuple(about[neighbour]) for neighbour in experience.neighbours}


def test_a_diagnosis_alone_brings_what_such_patients_have(store, records, vocabulary):
    experience = ask("Vorhofflimmern", vocabulary, store, k=4, age=60, sex="male").experience
    assert kinds(experience, records) == {("AFIB", "LVH")}
    assert experience is not None
    assert experience.statistics.value("heart_rate") == pytest.approx(112, abs=3)
    assert experience.statistics.shares[vocabulary.codes.index("LVH")] == 1
    assert experience.report.rhythm == "atrial fibrillation"
    assert experience.report.findings == ("left ventricular hypertrophy 100 %",)
    assert len(experience.neighbours) == 4
    assert experience.record_id == ""


def test_drugs_and_diagnoses_are_looked_up_by_name(store, records, vocabulary):
    on_lanoxin = ask("elderly woman on Lanoxin", vocabulary, store).experience
    assert kinds(on_lanoxin, records) == {("AFIB", "LVH")}
    hypertension = ask("arterielle Hypertonie", vocabulary, store, k=30).experience
    assert len(kinds(hypertension, records)) == 3
    assert ("AFIB", "LVH") not in kinds(hypertension, records)


def test_a_whole_patient_is_understood_and_compared_view_by_view(store, records, vocabulary):
    answer = ask("72-year-old man, AF, on digoxin, 110 bpm, no hypertension", vocabulary, store, k=3)
    assert (answer.age, answer.sex, answer.heart_rate) == (72, "male", 110)
    assert kinds(answer.experience, records) == {("AFIB", "LVH")}
    assert answer.weights["medications"] + answer.weights["procedures"] + answer.weights["diagnoses"] == pytest.approx(
        1
    )
    profiles = {row["record_id"]: row for row in store.training.iter_rows(named=True)}
    own = {"medications": {"drug:digoxin"}, "procedures": {"scp:AFIB"}}
    for neighbour in answer.neighbours:
        other = {view: set(profiles[neighbour.record_id][view]) for view in own}
        for view, items in own.items():
            expected = len(items & other[view]) / len(items | other[view])
            assert neighbour.jaccard[view] == pytest.approx(expected)
        tau = sum(answer.weights[view] * neighbour.jaccard[view] for view in answer.weights)
        assert neighbour.tau == pytest.approx(tau) == pytest.approx(neighbour.score)
        assert -1 <= neighbour.cosine <= 1
    assert answer.experience is not None
    assert [n.record_id for n in answer.neighbours] == list(answer.experience.neighbours)


def test_what_is_given_wins_over_the_text(store, vocabulary):
    answer = ask("72-year-old man, 110 bpm", vocabulary, store, age=50, sex="female", heart_rate=60)
    assert (answer.age, answer.sex, answer.heart_rate) == (50, "female", 60)
    assert answer.asked.person.age == 72


def test_what_is_ruled_out_is_left_out(store, records, vocabulary):
    experience = ask("sinus rhythm, no evidence of LBBB", vocabulary, store, k=30).experience
    assert kinds(experience, records) == {("NORM", "SR"), ("IMI", "QWAVE", "SR")}
    assert ask("no hypertension", vocabulary, store).experience is None


def test_nothing_known_gives_no_experience(store, vocabulary):
    for text in ("hello", "", "\x00", "300-year-old", "elephant guitar mountain"):
        assert ask(text, vocabulary, store).experience is None


def test_where_only_age_and_sex_are_known_records_near_in_them_count(store, records, vocabulary):
    """The corpus has no palpitations: the six nearest records of no women, and nothing is claimed of him."""
    answer = ask("60-year-old man, palpitations, no AF", vocabulary, store, k=6)
    men = store.training.filter(pl.col("sex").ne_missing("female"), ~pl.col("statements").list.contains("AFIB"))
    expected = men.sort((pl.col("age") - 60).abs(), "profile_id")["record_id"].head(6).to_list()
    experience = answer.experience
    assert experience is not None and answer.near_in == ("age", "sex")
    assert set(experience.neighbours) == set(expected) == {neighbour.record_id for neighbour in answer.neighbours}
    assert experience.similarities == (0,) * 6 and [n.tau for n in answer.neighbours] == [0] * 6
    scores = [neighbour.score for neighbour in answer.neighbours]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] < scores[0] <= 1
    assert experience.report.confidence == 0
    assert experience.report.text.endswith("From 6 records near in age and sex alone.")
    assert experience.statistics.shares.sum() > 0 == experience.statistics.shares[vocabulary.codes.index("AFIB")]


def test_the_share_of_a_statement_is_that_of_patients_of_this_age_and_sex(store, records, vocabulary):
    """Of all men, which is how many a large k asks for, as many have it by weight as their nearness says."""
    experience = ask("60-year-old man", vocabulary, store, k=100).experience
    assert experience is not None and len(experience.neighbours) == len(store.training)
    apart = (store.training["age"].cast(pl.Float64) - 60).fill_null(20).to_numpy()
    near = np.exp(-0.5 * (apart / 15) ** 2) * np.where(store.training["sex"] == "female", 0.6, 1)
    fibrillating = store.training["statements"].list.contains("AFIB").to_numpy()
    share = experience.statistics.shares[vocabulary.codes.index("AFIB")]
    assert share == pytest.approx(near[fibrillating].sum() / near.sum(), abs=1e-5)


def test_the_rate_counts_beside_age_and_sex_where_nothing_else_does(store, records, vocabulary):
    fast = ask("palpitations, 110 bpm", vocabulary, store, k=6)
    assert fast.near_in == ("heart rate",) and kinds(fast.experience, records) == {("AFIB", "LVH")}
    given = ask("palpitations", vocabulary, store, k=6, age=60, heart_rate=60)
    assert given.near_in == ("age", "heart rate") and ("AFIB", "LVH") not in kinds(given.experience, records)
    assert ask("AF", vocabulary, store, k=6, age=60, heart_rate=60).near_in == (), "what it names comes first"
    near, nearer = (ask("palpitations", vocabulary, store, k=100, heart_rate=rate).row for rate in (118, 119))
    assert near["neighbours"] == nearer["neighbours"] and near["experience_id"] != nearer["experience_id"]


def test_a_stated_rate_says_who_of_those_alike_is_near(store, records, vocabulary):
    """In the text or beside it; whom the profile chooses stays, among equals those of the rate come first."""
    plain, fast = (ask(f"AF{rate}", vocabulary, store, k=4) for rate in ("", ", 114 bpm"))
    known = store.training.filter(pl.col("statements").list.contains("AFIB"))["heart_rate"].drop_nulls()
    nearest = sorted(known.to_list(), key=lambda rate: abs(rate - 114))[:4]
    assert sorted(n.heart_rate for n in fast.neighbours) == sorted(nearest)
    assert sorted(n.heart_rate for n in plain.neighbours) != sorted(nearest)
    assert kinds(plain.experience, records) == kinds(fast.experience, records) == {("AFIB", "LVH")}
    given = ask("AF", vocabulary, store, k=4, heart_rate=114)
    assert given.neighbours == fast.neighbours and given.row["experience_id"] != fast.row["experience_id"]
    for rate, nearest_rate in ((105, known.min()), (118, known.max())):
        all_of_them = ask("AF", vocabulary, store, k=100, heart_rate=rate).neighbours
        assert max(all_of_them, key=lambda neighbour: neighbour.weight).heart_rate == nearest_rate


def test_neighbours_are_told_with_what_they_have_in_bands_of_age_and_by_what_they_count(store, vocabulary):
    answer = ask("AF", vocabulary, store, age=60, sex="male")
    profiles = {row["record_id"]: row for row in store.training.iter_rows(named=True)}
    for neighbour in answer.neighbours:
        own = profiles[neighbour.record_id]
        assert neighbour.age == age_band(own["age"]) and neighbour.sex == own["sex"]
        assert (neighbour.heart_rate, list(neighbour.statements)) == (round(own["heart_rate"]), own["statements"])
    assert sum(neighbour.weight for neighbour in answer.neighbours) == pytest.approx(1)


def test_what_is_told_follows_from_most_neighbours_and_the_stored_counts_stay(store, vocabulary):
    """Nobody with atrial fibrillation has a PR here; all with a bundle branch block have."""
    fibrillating = ask("AF", vocabulary, store).experience
    blocked = ask("LBBB", vocabulary, store).experience
    assert fibrillating.report.pr is None and fibrillating.statistics["pr"].known[0] == 0
    assert blocked.report.pr is not None and blocked.statistics["pr"].known[0] == len(blocked.neighbours)
    both = ask("AF, LBBB", vocabulary, store, k=30).experience
    assert both.statistics["pr"].known[0] > 0 and both.statistics.value("pr") is not None
    assert both.report.pr is None and both.report.rhythm == "atrial fibrillation"
    assert not any("sinus rhythm" in finding for finding in both.report.findings)
    possible = ask("possible AF", vocabulary, store).experience
    assert possible.report.rhythm == "possible atrial fibrillation"


def test_a_diagnosis_made_of_an_ecg_that_no_training_record_has_gets_no_experience(
    store, knowledge, vocabulary, tmp_path
):
    """By meaning, ventricular fibrillation was told from atrial fibrillation, and of a man from men of his age."""
    index = KnowledgeIndex.open(knowledge, tmp_path / "chroma")
    for text in ("ventricular fibrillation", "60-year-old man, VT", "60-year-old man, no LVH, VT"):
        answer = ask(text, vocabulary, store, index)
        assert answer.experience is None and len(answer.unseen) == 1
        (told,) = answer_lines(answer, store, vocabulary)
        assert told == (
            f"experience: none, for no training patient's record has {answer.unseen[0]}, and the ECGs of others say "
            "nothing of it"
        )
    known = ask("ventricular tachycardia, LBBB", vocabulary, store, index)
    assert known.experience is not None and known.unseen == ("ventricular tachycardia",)
    for text in ("gout", "possible ventricular tachycardia", "history of ventricular tachycardia", "rule out MI"):
        answer = ask(f"60-year-old man, {text}", vocabulary, store, index)
        assert answer.unseen == () and answer.experience is not None, "made of no ECG, or not there now"


def test_a_rhythm_of_the_past_that_records_have_is_not_called_unknown(store, vocabulary):
    for text in ("history of atrial fibrillation, now in sinus rhythm", "Z.n. Vorhofflimmern"):
        lines = understood_lines(ask(text, vocabulary, store), vocabulary, {})
        assert not any(line.startswith("in no training patient's record") for line in lines)


def test_an_ecg_that_no_training_record_is_like_gets_no_experience(store, vocabulary):
    """The ECGs of men without pre-excitation say nothing of one that has it."""
    assert ask("60-year-old man, Wolff-Parkinson-White syndrome", vocabulary, store).experience is None
    assert ask("60-year-old man, AF, no LVH", vocabulary, store).experience is None


def test_a_report_by_age_and_sex_alone_keeps_the_rules_of_all_reports(store, vocabulary):
    experience = ask("60-year-old man", vocabulary, store).experience
    assert experience is not None
    content, cited = experience.report.model_dump_json(), set(experience.report.cited)
    answer = {"content": content, "refusal": None, "finish_reason": "stop", "usage": None}
    assert check(answer, cited, set()).report == experience.report


def test_equal_questions_have_equal_experiences(store, vocabulary):
    one, same, other = (ask("LBBB", vocabulary, store, age=age) for age in (50, 50, 51))
    assert one.neighbours == same.neighbours
    assert repr(one.row) == repr(same.row), "not ==, for NaN is not NaN"
    assert one.row["experience_id"] != other.row["experience_id"]


def test_a_missing_store_is_named(tmp_path):
    with pytest.raises(UserError, match=r"profiles\.parquet is missing"):
        open_store(tmp_path)


@pytest.mark.parametrize("name", ["profiles.parquet", "terms.parquet"])
def test_a_store_of_another_version_is_named(knowledge, name):
    assert pq.read_schema(knowledge / name).metadata == {b"schema_version": b"1"}
    write_table(pq.read_table(knowledge / name), knowledge / name, 2)
    with pytest.raises(UserError, match=f"{name} is of another version: run the knowledge stage again"):
        open_store(knowledge)


def test_the_store_is_asked_as_it_was_made(knowledge, vocabulary):
    weights = {"diagnoses": 0.0, "medications": 1.0, "procedures": 0.0}
    parameters = {"corpus.sources": [], "knowledge": {"weights": weights, "neighbours": 2}}
    write_json(knowledge / "manifest.json", {"fingerprint": "abc", "parameters": parameters})
    (knowledge / "profiles.parquet").touch()
    store = open_store(knowledge)
    answer = ask("atrial fibrillation on digoxin", vocabulary, store)
    assert store.fingerprint == "abc"
    assert answer.weights == weights
    assert len(answer.neighbours) == 2


def test_the_index_finds_by_meaning(store, knowledge, records, vocabulary, tmp_path):
    index = KnowledgeIndex.open(knowledge, tmp_path / "chroma")
    found = ask("fibrillating atria, hypertrophied left ventricle", vocabulary, store, index, k=3)
    assert kinds(found.experience, records) == {("AFIB", "LVH")}
    assert ask("fibrillating atria, hypertrophied left ventricle", vocabulary, store, k=3).experience is None
    for neighbour in found.neighbours:
        assert neighbour.tau == 0
        assert neighbour.score == pytest.approx(0.2 * neighbour.cosine, abs=1e-5)
    assert found.near_in == MEANING and found.experience.report.confidence == 0
    assert "near in meaning alone" in found.experience.report.text
    exact = ask("hypertension, fibrillating atria", vocabulary, store, index, k=30)
    assert exact.neighbours[0].score == exact.neighbours[0].tau > 0


def test_an_ecg_that_no_training_record_has_gets_no_experience_by_meaning_either(
    store, knowledge, vocabulary, tmp_path
):
    index = KnowledgeIndex.open(knowledge, tmp_path / "chroma")
    found = ask("60-year-old man, Wolff-Parkinson-White syndrome, hypertension", vocabulary, store, index)
    assert found.experience is None and found.unknown == ("WPW",)
    known = ask("Wolff-Parkinson-White syndrome, AF", vocabulary, store, index)
    assert known.experience is not None and known.unknown == ("WPW",)
    told = understood_lines(known, vocabulary, {})
    assert "in no training patient's record: Wolff-Parkinson-White syndrome" in told


def test_all_texts_compared_are_those_that_the_index_finds(store, knowledge, vocabulary, tmp_path):
    index, exact = KnowledgeIndex.open(knowledge, tmp_path / "chroma"), ExactIndex(store.distinct_texts)
    for text in ("fibrillating atria", "hypertrophied left ventricle", "hypertension", ""):
        wanted, found = index.nearest(text, 10), exact.nearest(text, 10)
        assert [name for name, _ in found] == [name for name, _ in wanted]
        assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in wanted], abs=1e-5)
        answer = ask(text, vocabulary, store, exact)
        assert answer.row == ask(text, vocabulary, store, index).row
        if answer.experience:  # as the models read it from the table
            (read,) = experience_rows(pl.DataFrame([answer.row], schema=SCHEMA))
            assert read == answer.experience


@pytest.mark.parametrize("k", [1, 2, 3, 7, 20, 30])
def test_the_texts_nearest_by_meaning_are_those_of_all_sorted(k, monkeypatch):
    """Equal ones by name, and equal are those that differ in the seventh digit only."""
    index = ExactIndex({f"t{row:02d}": "" for row in range(20)})
    cosines = np.repeat([0.9, 0.5, 0.1, 0.0], 5) + 1e-7 * (np.arange(20) % 5)  # what comes last has the most
    vectors = np.outer(cosines, embed(["atrial fibrillation"])[0]).astype(np.float32)
    monkeypatch.setitem(vars(index), "_vectors", vectors)
    assert [name for name, _ in index.nearest("atrial fibrillation", k)] == [f"t{row:02d}" for row in range(min(k, 20))]


def test_a_text_that_says_nothing_is_like_none(knowledge, vocabulary, tmp_path):
    path = knowledge / PROFILES
    empty = pl.when(pl.col("record_id") < "cohort/00020").then(pl.col("medications").list.head(0))
    profiles = pl.read_parquet(path).with_columns(empty.otherwise(pl.col(view)).alias(view) for view in VIEWS)
    write_table(profiles.to_arrow(), path, SCHEMA_VERSION)
    store, index = open_store(knowledge), KnowledgeIndex.open(knowledge, tmp_path / "chroma")
    assert "" in store.texts
    for text in ("no LBBB", "of the 12"):
        assert ask(text, vocabulary, store, index).experience is None
    found = ask("fibrillating atria, hypertrophied left ventricle", vocabulary, store, index, k=30)
    assert found.neighbours and min(neighbour.cosine for neighbour in found.neighbours) >= 0.2


def test_an_answer_that_leaves_names_no_restricted_record(store, vocabulary):
    pseudonyms = Pseudonyms(frozenset({"cohort"}), bytes(32))
    answer = ask("LBBB", vocabulary, store, k=3)
    hidden = answer.exported(pseudonyms)
    assert hidden.experience is not None and answer.experience is not None
    assert [n.record_id for n in hidden.neighbours] == list(hidden.experience.neighbours) == hidden.row["neighbours"]
    assert hidden.experience.neighbours == tuple(map(pseudonyms.of, answer.experience.neighbours))
    assert hidden.experience.experience_id == hidden.row["experience_id"] != answer.experience.experience_id
    assert hidden.experience.report == answer.experience.report
    assert answer.exported(Pseudonyms()).neighbours == answer.neighbours


def test_what_no_record_has_by_that_name_is_asked_as_each_kind_of_it(store, records, vocabulary):
    """Training records have one kind of infarct, and no statement that leaves the wall open."""
    answer = ask("60-year-old man, STEMI", vocabulary, store)
    assert kinds(answer.experience, records) == {("IMI", "QWAVE", "SR")}
    assert answer.experience is not None and answer.experience.report.confidence > 0
    assert answer.asked_as == {"acute myocardial infarction": ("IMI",)}
    assert {neighbour.tau for neighbour in answer.neighbours} == {answer.neighbours[0].jaccard["diagnoses"]} != {0}
    assert "inferior myocardial infarction 100 %" in answer.experience.report.findings, "which the text leaves open"
    told = understood_lines(answer, vocabulary, {})
    line = "in no training patient's record by that name: acute myocardial infarction, asked as inferior "
    assert f"{line}myocardial infarction" in told
    assert ask("STEMI, no inferior infarction", vocabulary, store).experience is None
    assert ask("bradycardia", vocabulary, store).unknown == ("BRADY",), "no record has a kind of it either"


def test_each_record_is_compared_with_the_kind_that_it_is_most_like(knowledge, vocabulary):
    profiles = pl.read_parquet(knowledge / PROFILES)
    other = [["AMI"] if row % 2 else own for row, own in enumerate(profiles["statements"].to_list())]
    views = [["scp:AMI"] if row % 2 else own for row, own in enumerate(profiles["diagnoses"].to_list())]
    changed = profiles.with_columns(pl.Series("statements", other), pl.Series("diagnoses", views))
    write_table(changed.to_arrow(), knowledge / PROFILES, SCHEMA_VERSION)
    answer = ask("heart attack", vocabulary, open_store(knowledge))
    assert answer.asked_as["acute myocardial infarction"] == ("AMI", "IMI")
    assert {"AMI", "IMI"} <= {code for neighbour in answer.neighbours for code in neighbour.statements}
    both = max(neighbour.tau for neighbour in answer.neighbours)
    assert both == ask("anterior infarction", vocabulary, open_store(knowledge)).neighbours[0].tau


def test_what_no_one_ecg_has_is_named_and_asked_all_the_same(store, vocabulary):
    answer = ask("AF and sinus rhythm", vocabulary, store, heart_rate=80)
    assert answer.conflicts == ("atrial fibrillation and sinus rhythm",) and answer.experience is not None
    assert any(
        line.startswith("hardly on one ECG: atrial fibrillation and")
        for line in understood_lines(answer, vocabulary, {})
    )
    assert ask("possible AF, sinus rhythm", vocabulary, store).conflicts == ()


def test_a_kind_that_is_named_takes_the_place_of_the_broad_name(store, vocabulary):
    answer, plain = (ask(f"LBBB, inferior infarction{more}", vocabulary, store) for more in (", STEMI", ""))
    assert answer.asked_as == {"acute myocardial infarction": ("IMI",)} and plain.asked_as == {}
    of = [[(neighbour.record_id, neighbour.tau) for neighbour in one.neighbours] for one in (answer, plain)]
    assert of[0] == of[1]


def test_what_is_ruled_out_broadly_is_ruled_out_in_every_kind(store, records, vocabulary):
    with_infarct = ("IMI", "QWAVE", "SR")
    assert with_infarct in kinds(ask("sinus rhythm", vocabulary, store, k=60).experience, records)
    for text in ("sinus rhythm, no myocardial infarction", "sinus rhythm, STEMI ruled out"):
        assert with_infarct not in kinds(ask(text, vocabulary, store, k=60).experience, records), text
    assert with_infarct in kinds(ask("inferior infarction, no old infarct", vocabulary, store).experience, records)


def test_a_block_of_the_past_is_not_asked_for_and_an_infarct_is(knowledge, vocabulary):
    profiles = pl.read_parquet(knowledge / PROFILES)
    codes = [["1AVB"] if row % 4 == 0 else own for row, own in enumerate(profiles["statements"].to_list())]
    write_table(profiles.with_columns(pl.Series("statements", codes)).to_arrow(), knowledge / PROFILES, SCHEMA_VERSION)
    store = open_store(knowledge)
    assert ask("AV block", vocabulary, store).asked_as == {"atrioventricular block": ("1AVB",)}
    assert ask("AF, history of AV block", vocabulary, store).asked_as == {}
    assert ask("AF, history of heart attack", vocabulary, store).asked_as == {"acute myocardial infarction": ("IMI",)}


def test_broad_names_are_of_the_vocabulary_and_their_kinds_of_one_view(vocabulary):
    titles = {names[0] for names in diagnosis_names().values()}
    for name, of in read_broader().items():
        assert vocabulary.known(name) or name in titles
        views = [{view for view, items in statement_views([code], vocabulary).items() if items} for code in of]
        assert all(own == views[0] for own in views), f"the λ of {name} would differ by kind"
