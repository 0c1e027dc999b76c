"""`sediff knowledge ask` and `show`, and `runtime.chroma`, as a user meets them."""

import fcntl
import json
import os
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest

from flows import question
from sediff.cli import main
from sediff.ecg import LEADS
from sediff.errors import UserError
from sediff.files import write_json
from sediff.knowledge.experience import FILE, SCHEMA, write_experiences
from sediff.knowledge.profiles import PROFILES, TERMS
from sediff.params import Params, set_params
from sediff.pseudonyms import keep_key

from .conftest import ROOT
from .test_build import build

FINGERPRINT = "f" * 64


@pytest.fixture
def project(corpus, simulator, source, vocabulary, tmp_path) -> Path:
    build(tmp_path, corpus, simulator, [source], vocabulary)
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    shutil.copytree(tmp_path / "out", folder / "data/knowledge")
    for name in ("sediff", "flows", "knowledge"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", folder)
    described(folder, "open")
    return folder


def described(folder: Path, sharing: str) -> None:
    sources = [{"name": "cohort", "reader": "ptb-xl", "sharing": sharing}]
    write_json(
        folder / "data/knowledge/manifest.json",
        {"fingerprint": FINGERPRINT, "parameters": {"corpus.sources": sources, "knowledge": {"neighbours": 3}}},
    )


@pytest.fixture
def sediff(project, monkeypatch, capsys):
    """The command line in the project's folder, in this process: exit status, output, errors."""

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(project)
        monkeypatch.setattr(sys, "argv", ["sediff", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return command


@pytest.fixture
def said(sediff):
    def command(*arguments: str) -> str:
        status, output, errors = sediff(*arguments)
        assert status == 0, errors
        return output

    return command


@pytest.fixture
def refused(sediff):
    def command(*arguments: str) -> str:
        status, _, errors = sediff(*arguments)
        assert status == 1
        assert errors.startswith("sediff: error: ") and len(errors.splitlines()) == 1
        return errors

    return command


def test_ask_says_how_the_text_is_understood_and_what_it_rests_on(said):
    text = "72-year-old man, AF, on Lanoxin, no hypertension, 110 bpm"
    lines = said("knowledge", "ask", text, "--age", "60").splitlines()
    assert lines[0] == "understood: atrial fibrillation, Lanoxin (digoxin), hypertension (absent)"
    assert lines[1] == "patient: 60 years (given; the text says 72), male (in the text), 110 bpm (in the text)"
    similarities = ["J_diag", "J_med", "J_proc", "τ", "meaning", "score"]
    assert lines[3].split() == ["neighbour", *similarities, "counts", "patient:", "ECG"]
    has = "bpm: atrial fibrillation, left ventricular hypertrophy"
    near = [line for line in lines if line.startswith("cohort/")]
    assert len(near) == 3 and all("%  " in line and line.endswith(has) for line in near)
    assert lines[-3].startswith("experience: ") and "trial fibrillation" in lines[-3]
    assert lines[-2].startswith("measured: heart rate 11") and "PR not told (known of 0 of 3)" in lines[-2]
    assert "distiller offline" in lines[-1] and FINGERPRINT[:16] in lines[-1]
    told = json.loads(said("knowledge", "ask", text, "-k", "2", "--json"))
    assert (told["age"], told["sex"], told["heart_rate"], told["knowledge"]) == (72, "male", 110, FINGERPRINT)
    assert {term["title"]: term["certainty"] for term in told["terms"]} == {
        "digoxin": "present", "hypertension": "absent",
    }  # fmt: skip
    assert [n["record_id"] for n in told["neighbours"]] == told["experience"]["neighbours"]
    assert {"jaccard", "tau", "cosine", "score"} <= set(told["neighbours"][0])
    nothing = said("knowledge", "ask", "0x300 qqq")
    assert "experience: none, for no training patient's record is like what the text names, and no age" in nothing


@pytest.mark.parametrize("verb", ["ask", "show"])
def test_an_interrupted_question_is_not_said_to_go_on(sediff, monkeypatch, verb):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.question._checked", stop)
    status, _, errors = sediff("knowledge", verb, "cohort/00010")
    assert (status, errors) == (130, "sediff: interrupted; run again, and it begins anew.\n")


def test_a_question_does_not_wait_long_for_an_index_that_another_process_keeps(project, sediff, monkeypatch):
    assert question.QUESTION_WAITS <= 60
    monkeypatch.setattr(question, "QUESTION_WAITS", 0.3)
    (project / ".sediff/chroma").mkdir(parents=True)
    with (project / ".sediff/chroma/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        status, _, errors = sediff("knowledge", "ask", "LBBB")
    kept = f"The index in .sediff/chroma was not given back by process {os.getpid()} in 0.005 min"
    assert status == 1
    assert errors.splitlines()[-1] == f"sediff: error: {kept}: wait until that has ended, or end it, and run again."


def test_words_that_a_statement_was_read_from_are_told_once_and_known(said):
    lines = said("knowledge", "ask", "AFIB, on warfarin").splitlines()
    assert lines[:2] == ["understood: atrial fibrillation, warfarin", "in no training patient's record: warfarin"]


def test_show_prints_one_experience_in_full(said):
    by_record = said("knowledge", "show", "cohort/00010")
    assert by_record == said("knowledge", "show", "experience:cohort/00010")
    assert "distiller: offline" in by_record and FINGERPRINT in by_record and "neighbours: 5: cohort/" in by_record
    row = json.loads(said("knowledge", "show", "cohort/00010", "--json"))
    assert row["record_id"] == "cohort/00010" and row["knowledge"] == FINGERPRINT
    assert len(row["neighbours"]) == len(row["similarities"]) == 5


def test_records_near_in_age_and_sex_alone_are_said_to_be_so(said):
    lines = said("knowledge", "ask", "60-year-old man, palpitations").splitlines()
    assert lines[:3] == [
        "understood: palpitations",
        "patient: 60 years (in the text), male (in the text)",
        "in no training patient's record: palpitations",
    ]
    assert lines[3].startswith("compared by: age and sex alone, for no training patient's record is like what the")
    assert lines[-3].endswith("From 3 records near in age and sex alone.") and "confidence 0.00" in lines[-1]
    told = json.loads(said("knowledge", "ask", "60-year-old man, palpitations", "--json"))
    assert told["near_in"] == ["age", "sex"] and told["experience"]["similarities"] == [0, 0, 0]
    named = said("knowledge", "ask", "60-year-old man, Wolff-Parkinson-White syndrome").splitlines()
    assert named[-1].startswith("experience: none, for no training patient's record has Wolff-Parkinson-White syndrome")


def test_words_that_were_not_read_are_named(said):
    text = "AF, blurry vision, no tinnitus, father has hypertension"
    assert "not read: blurry vision, tinnitus, father has hypertension" in said("knowledge", "ask", text).splitlines()
    told = json.loads(said("knowledge", "ask", text, "--json"))
    assert told["unread"] == ["blurry vision", "tinnitus", "father has hypertension"]
    assert "not read" not in said("knowledge", "ask", "72-year-old man with AF, on warfarin")


def test_a_rhythm_that_was_is_named_as_a_diagnosis(said):
    lines = said("knowledge", "ask", "history of atrial fibrillation, now sinus rhythm").splitlines()
    assert lines[0] == "understood: atrial fibrillation (absent), sinus rhythm, atrial fibrillation (diagnosis)"


def test_what_a_contradictory_text_is_taken_for_is_said(said):
    text = "male woman, 72 years old, age 65, AF, no AF, diabetes, no diabetes, 70 bpm, HR 90"
    lines = said("knowledge", "ask", text).splitlines()
    assert lines[1] == "patient: 72 years (in the text), male (in the text), 90 bpm (in the text)"
    assert "also in the text, and not taken: age 65, woman, 70 bpm" in lines
    assert "both stated and ruled out: atrial fibrillation (taken as present), diabetes (taken as present)" in lines
    told = json.loads(said("knowledge", "ask", text, "--json"))
    assert told["passed_over"] == ["age 65", "woman", "70 bpm"]
    assert told["contradicted"] == {"atrial fibrillation": "present", "diabetes": "present"}
    plain = said("knowledge", "ask", "72-year-old man, AF, no diabetes, 70 bpm")
    assert "not taken" not in plain and "ruled out" not in plain


def test_the_experience_of_a_text_is_not_in_the_store(said, refused):
    name = json.loads(said("knowledge", "ask", "LBBB", "--json"))["experience"]["experience_id"]
    assert name not in said("knowledge", "ask", "LBBB")
    sentence = refused("knowledge", "show", name)
    assert f"{name} is the experience of a text" in sentence and "`sediff knowledge ask` tells it" in sentence


def test_ten_neighbours_have_a_line_each_and_the_others_are_named(project, said):
    lines = said("knowledge", "ask", "LBBB", "-k", "12").splitlines()
    assert len([line for line in lines if line.startswith("cohort/")]) == 10
    neighbours = json.loads(said("knowledge", "ask", "LBBB", "-k", "12", "--json"))["neighbours"]
    others = ", ".join(f"{neighbour['record_id']} ({neighbour['score']:.2f})" for neighbour in neighbours[10:])
    assert lines[-1] == f"and on: {others}" and len(neighbours) == 12
    ten = said("knowledge", "ask", "LBBB", "-k", "10")
    assert ten.count("\ncohort/") == 10 and "and on" not in ten
    wrapped = said("knowledge", "ask", "60-year-old man", "-k", "30").partition("and on: ")[2].splitlines()
    assert len(wrapped) > 1 and max(map(len, wrapped)) <= 120 and all(line.endswith((",", ")")) for line in wrapped)
    path = project / "data/knowledge" / FILE
    table = pl.read_parquet(path)
    many = pl.Series([[f"cohort/{number:05d}" for number in range(12)]] * len(table))
    alike = pl.Series([[0.5] * 12] * len(table), dtype=pl.List(pl.Float32))
    write_experiences(table.with_columns(neighbours=many, similarities=alike), path)
    shown = said("knowledge", "show", "cohort/00010")
    assert "neighbours: 12: cohort/00000 (0.50), cohort/00001 (0.50)" in shown
    assert "cohort/00010 (0.50), cohort/00011 (0.50)\n" in shown
    assert len(json.loads(said("knowledge", "show", "cohort/00010", "--json"))["neighbours"]) == 12


def test_show_tells_measures_by_lead_with_names_and_units(project, said):
    path = project / "data/knowledge" / FILE
    table = pl.read_parquet(path)
    flat = pl.col("measured_axis").struct.with_fields(low=-12.0, median=-0.3, high=0.2)
    upright = pl.lit([0.25] * 11 + [-0.001], dtype=pl.Array(pl.Float32, 12))
    upright = pl.col("measured_t_amplitudes").struct.with_fields(
        low=upright - 0.125, median=upright, high=upright + 0.125
    )
    table = table.with_columns(flat, upright)
    write_experiences(table.cast(SCHEMA), path)
    lines = said("knowledge", "show", "cohort/00010").splitlines()
    count = len(table.filter(pl.col("record_id") == "cohort/00010")["neighbours"][0])
    (axis,) = [line for line in lines if line.startswith("measured_axis")]
    assert axis.startswith("measured_axis: 0 ° (-12 to 0, known of ") and axis.endswith(f" of {count})")
    head = lines.index("measured in each lead, quartiles in mV:") + 1
    assert lines[head].split() == ["lead", "peak", "to", "peak", "P", "R", "S", "T", "ST"]
    leads = {line.split()[0]: line for line in lines[head + 1 : head + 13]}
    assert tuple(leads) == LEADS and "0.12 0.25 0.38" in leads["I"] and "-0.13 0.00 0.12" in leads["V6"]
    assert leads["III"].split()[1] == "-", "there is no peak to peak of it"
    for name in ("theta", "a", "b"):
        place = lines.index(f"the simulator's {name}, quartiles at 60 bpm:")
        assert lines[place + 1].split() == ["lead", "P", "Q", "R", "S", "T"]
        assert len(lines[place + 2].split()) == 1 + 5 * 3
    assert not any("-0 " in line or "-0.00 " in line for line in lines)


def test_show_needs_no_profiles_but_experiences_of_this_version_and_vocabulary(project, said, refused):
    for name in (PROFILES, TERMS):
        (project / "data/knowledge" / name).unlink()
    said("knowledge", "show", "cohort/00010")
    path = project / "data/knowledge" / FILE
    table = pl.read_parquet(path)
    count = len(table["further_shares"][0])
    write_experiences(table.with_columns(pl.col("further_shares").list.head(count - 1)), path)
    told = refused("knowledge", "show", "cohort/00010")
    assert f"has shares of {count - 1} statements, the vocabulary now has {count}: run the knowledge stage" in told
    table.write_parquet(path)  # without a version
    assert "is of another version: run the knowledge stage again" in refused("knowledge", "show", "cohort/00010")


SOURCES = [{"name": "cohort", "reader": "ptb-xl", "sharing": "open"}]


@pytest.mark.parametrize(
    "manifest",
    [[], 1, {}, {"fingerprint": FINGERPRINT}, {"fingerprint": FINGERPRINT, "parameters": []},
     {"fingerprint": 1, "parameters": {"corpus.sources": SOURCES}},
     {"fingerprint": FINGERPRINT, "parameters": {"corpus.sources": [{"name": "cohort"}]}},
     {"fingerprint": FINGERPRINT, "parameters": {"corpus.sources": SOURCES, "knowledge": {"neighbours": "x"}}},
     {"fingerprint": FINGERPRINT, "parameters": {"corpus.sources": SOURCES, "knowledge": {"weights": {"a": 1}}}}],
)  # fmt: skip
def test_a_manifest_of_another_shape_is_damaged(project, refused, manifest):
    write_json(project / "data/knowledge/manifest.json", manifest)
    for command in ("ask", "show"):
        assert "knowledge/manifest.json is missing or damaged" in refused("knowledge", command, "cohort/00010")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "cohort/0001"), "There is no experience cohort/0001: did you mean cohort/0"),
        (("show", "zzz"), "There is no experience zzz: the ids look like cohort/"),
        (("show", "x\x1b[31mRED\ny"), "There is no experience x [31mRED y: the ids look like cohort/"),
        (("show", ""), "The id is empty: give that of an experience or a record."),
        (("ask", "  "), "The text is empty"),
        (("ask", "\x1b \x07"), "The text is empty"),
        (("ask", "LBBB", "--sex", "x"), "--sex x: write F or M."),
        (("ask", "A" * 2001), "The text has 2001 characters"),
    ],
)
def test_mistakes_are_one_sentence(refused, arguments, sentence):
    assert sentence in refused("knowledge", *arguments)


def test_faults_around_the_store_are_one_sentence(project, refused):
    set_params(project / "params.yaml", ["runtime.chroma=http://127.0.0.1:9"])
    assert "Chroma at http://127.0.0.1:9 cannot be used" in refused("knowledge", "ask", "LBBB")
    (project / ".sediff").mkdir(exist_ok=True)
    identifier, _ = keep_key("", project / ".sediff/pseudonym.key")
    sources = "[{name: cohort, reader: ptb-xl, sharing: restricted}]"
    set_params(project / "params.yaml", [f"corpus.sources={sources}", f"pseudonyms.key='{identifier}'"])
    set_params(project / "params.yaml", ["runtime.chroma=http://chroma.example.org:8000"])
    assert "cohort is restricted and its profiles may not be sent to" in refused("knowledge", "ask", "LBBB")
    set_params(project / "params.yaml", ["corpus.sources=[{name: virtual, reader: ptb-xl, sharing: open}]"])
    described(project, "restricted")
    assert "The models rest on cohort, which is restricted" in refused("knowledge", "ask", "LBBB")
    assert "The models rest on cohort, which is restricted" in refused("knowledge", "show", "cohort/00010")
    shutil.rmtree(project / "data")
    assert "data/knowledge is missing: run `sediff run knowledge` once" in refused("knowledge", "ask", "LBBB")
    assert "data/knowledge is missing: run `sediff run knowledge` once" in refused("knowledge", "show", "x")


def test_restricted_records_go_by_their_pseudonyms(project, said):
    described(project, "restricted")
    (project / ".sediff").mkdir()
    identifier, _ = keep_key("", project / ".sediff/pseudonym.key")
    sources = "[{name: cohort, reader: ptb-xl, sharing: restricted}]"
    set_params(project / "params.yaml", [f"corpus.sources={sources}", f"pseudonyms.key='{identifier}'"])
    told = json.loads(said("knowledge", "ask", "LBBB", "--json"))
    names = [neighbour["record_id"] for neighbour in told["neighbours"]]
    assert all(len(name) == len("cohort/") + 16 for name in names) and len(names) == 3
    shown = said("knowledge", "show", names[0])
    assert f"record_id: {names[0]}" in shown
    by_own_id = said("knowledge", "show", "cohort/00010")
    assert "cohort/00010" not in by_own_id


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000",
        "http://",
        "ftp://x",
        "http://u:p@x:1",
        "http://x/y",
        "http://x:1?q",
        "http://x:99999",
        "http://x:0",
    ],
)
def test_an_address_is_checked(project, address):
    with pytest.raises(UserError, match=r"runtime\.chroma: .*(is no address|has no user)") as error:
        set_params(project / "params.yaml", [f"runtime.chroma={address}"])
    assert "u:p" not in str(error.value)
    for good in ("https://chroma.example.org:8000", "http://[::1]:8000"):
        set_params(project / "params.yaml", [f'runtime.chroma="{good}/"'])
        assert Params.load(project / "params.yaml").runtime.chroma == good
