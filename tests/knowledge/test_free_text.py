import polars as pl
import pytest

from sediff.knowledge.free_text import FreeText, Terms, read_free_text
from sediff.knowledge.profiles import drug_names
from sediff.knowledge.terms import diagnosis_names
from sediff.vocabulary import Vocabulary

STORED = {
    "dx:hypertension": ["hypertension", "HTN", "Hypertonie"],
    "dx:diabetes": ["diabetes mellitus", "diabetes", "DM"],
    "dx:heart failure": ["heart failure", "CHF", "Herzinsuffizienz"],
    "dx:infarction": ["myocardial infarction", "MI", "Herzinfarkt"],
    "dx:flimmer": ["paroxysmal atrial fibrillation"],
    "dx:arrhythmia": ["arrhythmia"],
    "icd9-procedure:81": ["81"],
    "drug:digoxin": ["digoxin", "lanoxin"],
    "dx:influenza": ["influenza"],
    "drug:influenza": ["influenza"],
    "scp:AFIB": ["atrial fibrillation"],
}


@pytest.fixture(scope="module")
def terms() -> Terms:
    views = {"drug": "medications", "icd9-procedure": "procedures"}
    rows = [
        {"view": views.get(item.partition(":")[0], "diagnoses"), "item": item, "title": names[0], "names": names}
        for item, names in STORED.items()
    ]
    return Terms(pl.DataFrame(rows), {"medications": {"drug:warfarin": ["warfarin", "coumadin"]}})


@pytest.fixture
def read(vocabulary, terms):
    return lambda text: read_free_text(text, vocabulary, terms)


def said(found: FreeText) -> dict[str, str]:
    return {code: certainty[0] for code, certainty in found.statements} | {
        term.title: term.certainty[0] for term in found.terms
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("72-year-old man, hypertension, on digoxin, palpitations", {"hypertension": "p", "digoxin": "p"}),
        ("no diabetes, LBBB on Lanoxin", {"diabetes mellitus": "a", "CLBBB": "p", "digoxin": "p"}),
        ("kein Diabetes, Hypertonie", {"diabetes mellitus": "a", "hypertension": "p"}),
        ("no hypertension, diabetes or LBBB", {"hypertension": "a", "diabetes mellitus": "a", "CLBBB": "a"}),
        ("no history of diabetes or AF", {"diabetes mellitus": "a", "AFIB": "a"}),
        ("HTN, CHF", {"hypertension": "p", "heart failure": "p"}),
        ("htn and chf", {"hypertension": "p", "heart failure": "p"}),
        ("s/p MI", {"myocardial infarction": "p"}),
        ("Z.n. Herzinfarkt", {"myocardial infarction": "p"}),
        ("history of atrial fibrillation, now sinus rhythm", {"AFIB": "a", "SR": "p"}),
        ("paroxysmal atrial fibrillation", {"AFIB": "p", "paroxysmal atrial fibrillation": "p"}),
        ("sinus arrhythmia", {"SARRH": "p"}),  # and no arrhythmia
        ("possible heart failure", {"heart failure": "u"}),
        ("his mother had diabetes", {}),
        ("diabetes was ruled out. Later: diabetes", {"diabetes mellitus": "p"}),
        ("allergic to digoxin", {"digoxin": "a"}),
        ("No ischemia on this ECG of a patient, diabetes", {"ISC_": "a", "diabetes mellitus": "p"}),
        ("mi piace, dm", {}),  # short abbreviations are written in capitals
        ("81 bpm", {}),  # a code is no name
        ("on coumadin", {"warfarin": "p"}),
    ],
)
def test_what_a_text_says(read, text, expected):
    assert said(read(text)) == expected


@pytest.mark.parametrize(
    ("text", "contradicted"),
    [
        ("sinus rhythm, no sinus rhythm", {"sinus rhythm": "present"}),
        ("no AF. Atrial fibrillation", {"atrial fibrillation": "present"}),
        ("possible AF, no AF", {"atrial fibrillation": "uncertain"}),
        ("no diabetes. Later: diabetes", {"diabetes": "present"}),
        ("no AF, no atrial fibrillation", {}),
        ("possible AF, AF", {}),  # a doubt contradicts nothing
        ("no diabetes, LBBB", {}),
    ],
)
def test_what_is_both_stated_and_ruled_out_is_named(read, text, contradicted):
    assert dict(read(text).contradicted) == contradicted


def test_a_term_knows_its_words_and_items(read):
    (term,) = read("Z.n. Herzinfarkt").terms
    assert (term.words, term.title, term.items) == ("Herzinfarkt", "myocardial infarction", ("dx:infarction",))
    (unknown,) = read("on coumadin").terms
    assert unknown.items == (), "understood, though no training patient has it"


def test_a_name_may_stand_in_two_views(read):
    assert [(term.view, term.items) for term in read("influenza").terms] == [
        ("diagnoses", ("dx:influenza",)), ("medications", ("drug:influenza",)),
    ]  # fmt: skip


def test_the_meaning_leaves_out_what_is_ruled_out_and_who_it_is(read):
    meaning = read("72-year-old man, no diabetes, CHF, weakness").meaning
    assert "heart failure" in meaning and "weakness" in meaning
    assert "diabetes" not in meaning and "man" not in meaning.split() and "72" not in meaning


@pytest.mark.parametrize("text", ["", " ", "\x00\x1b[31m", "?!.,;/", "9" * 5000, "no " * 3000, "LBBB or " * 3000])
def test_nonsense_is_read_without_complaint(read, text):
    assert set(said(read(text))) <= {"CLBBB"}


def test_curated_names_agree_with_the_vocabulary(vocabulary: Vocabulary):
    """Every curated name is found as what it is, whatever statements are called."""
    empty = pl.DataFrame(schema={"view": pl.String, "item": pl.String, "title": pl.String, "names": pl.List(pl.String)})
    curated = {"diagnoses": diagnosis_names(), "medications": drug_names()}
    terms = Terms(empty, curated)
    for view, items in curated.items():
        for names in items.values():
            for name in names:
                found = read_free_text(name, vocabulary, terms)
                assert found.statements or view in [term.view for term in found.terms], name
