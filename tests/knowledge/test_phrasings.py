"""What free text says of a patient, in many phrasings of negation, doubt, the past and other people."""

import re

import polars as pl
import pytest

from sediff.knowledge.free_text import FreeText, Terms, read_free_text
from sediff.knowledge.profiles import drug_names
from sediff.knowledge.terms import diagnosis_names, ecg_diagnoses
from sediff.vocabulary import Vocabulary

# What is read, with the first letter of its certainty: statements by code, diagnoses and drugs by title.
PHRASINGS = [
    # names
    ("1st degree AVB, no complete AVB", "1AVB:p 3AVB:a"),
    ("torsades", "ventricular tachycardia:p"),
    ("asystole", "cardiac arrest:p"),
    ("ST-Hebungsinfarkt, 60 Jahre", "acute myocardial infarction:p"),
    ("72F diabetic, hypertensive, not obese", "diabetes mellitus:p hypertension:p obesity:a"),
    ("Diabetiker, kein Hypertoniker", "diabetes mellitus:p hypertension:a"),
    ("non-diabetic, AF", "AFIB:p"),
    # negation over lists
    ("neither AF nor LBBB", "AFIB:a CLBBB:a"),
    ("neither AF, LVH nor LBBB", "AFIB:a LVH:a CLBBB:a"),
    ("weder LVH noch LSB, aber AF", "LVH:a CLBBB:a AFIB:p"),
    ("denies chest pain, hypertension and diabetes", "chest pain:a hypertension:a diabetes mellitus:a"),
    ("denies chest pain, syncope, palpitations", "chest pain:a syncope:a palpitations:a"),
    ("denies chest pain,\nsyncope and\npalpitations", "chest pain:a syncope:a palpitations:a"),
    ("LVH, denies chest pain, syncope and palpitations", "LVH:p chest pain:a syncope:a palpitations:a"),
    ("chest pain, syncope and palpitations denied", "chest pain:a syncope:a palpitations:a"),
    ("verneint Brustschmerz, Palpitationen und Synkope", "chest pain:a palpitations:a syncope:a"),
    ("Hypertonie und Diabetes werden verneint", "hypertension:a diabetes mellitus:a"),
    ("no hypertension, diabetes and LVH", "hypertension:a diabetes mellitus:a LVH:a"),
    ("no AF/AFL, LBBB", "AFIB:a AFLT:a CLBBB:p"),
    ("ohne Hinweis auf LVH und LSB", "LVH:a CLBBB:a"),
    ("ohne Hinweis auf LVH, LSB oder AF; RSB", "LVH:a CLBBB:a AFIB:a CRBBB:p"),
    ("AF, LVH and LBBB were ruled out", "AFIB:a LVH:a CLBBB:a"),
    ("no evidence of\nLVH", "LVH:a"),
    # and no further
    ("no AF but LBBB", "AFIB:a CLBBB:p"),
    ("sinus rhythm, no ST changes, LBBB", "SR:p NST_:a CLBBB:p"),
    ("sinus rhythm, no ST changes, LBBB and LVH", "SR:p NST_:a CLBBB:p LVH:p"),
    ("no AF, sinus rhythm and LBBB", "AFIB:a SR:p CLBBB:p"),
    ("sinus rhythm, LVH and LBBB were ruled out", "SR:p LVH:a CLBBB:a"),
    ("denies chest pain; hypertension, on digoxin", "chest pain:a hypertension:p digoxin:p"),
    ("denies chest pain, on digoxin", "chest pain:a digoxin:p"),
    ("denies chest pain, LBBB, sinus rhythm", "chest pain:a CLBBB:p SR:p"),
    ("denies chest pain and takes digoxin", "chest pain:a digoxin:p"),
    ("denies chest pain, on digoxin and warfarin", "chest pain:a digoxin:p warfarin:p"),
    ("verneint Brustschmerz, hat Hypertonie", "chest pain:a hypertension:p"),
    ("no AF and now LBBB", "AFIB:a CLBBB:p"),
    ("no AF\nLBBB", "AFIB:a CLBBB:p"),
    ("no AF,\nLBBB", "AFIB:a CLBBB:p"),
    ("Kein LSB, sondern RSB", "CLBBB:a CRBBB:p"),
    ("no hypertension, no diabetes, LBBB", "hypertension:a diabetes mellitus:a CLBBB:p"),
    ("doesn't have AF, LBBB", "AFIB:a CLBBB:p"),
    ("LVH wasn't seen, LBBB couldn't be found", "LVH:a CLBBB:a"),
    ("off digoxin, on warfarin", "digoxin:a warfarin:p"),
    ("LVH; no AF or AFL; LBBB", "LVH:p AFIB:a AFLT:a CLBBB:p"),
    # a negation that comes last
    ("LVH wurde nicht gesehen", "LVH:a"),
    ("Eine LVH wurde in dem heutigen EKG nicht gesehen, AF", "LVH:a AFIB:p"),
    ("LVH nicht nachweisbar, LSB", "LVH:a CLBBB:p"),
    ("LVH ist ausgeschlossen", "LVH:a"),
    ("Diabetes hat er nicht", "diabetes mellitus:a"),
    ("LVH liegt nicht vor; AF besteht nicht", "LVH:a AFIB:a"),
    ("LVH could not be found, AF", "LVH:a AFIB:p"),
    ("Diabetes: no, hypertension: yes", "diabetes mellitus:a hypertension:p"),
    ("Diabetes: nein\nHypertonie: ja", "diabetes mellitus:a hypertension:p"),
    # doubt, one rule: what is unlikely is absent
    ("unlikely LBBB", "CLBBB:a"),
    ("LBBB unlikely", "CLBBB:a"),
    ("LBBB is unlikely, LVH", "CLBBB:a LVH:p"),
    ("LSB unwahrscheinlich", "CLBBB:a"),
    ("LBBB probable", "CLBBB:u"),
    ("LBBB likely, sinus rhythm", "CLBBB:u SR:p"),
    ("LVH wahrscheinlich, AF", "LVH:u AFIB:p"),
    ("sinus rhythm probably normal", "SR:p"),
    ("r/o LVH, HTN", "LVH:u hypertension:p"),
    ("zum Ausschluss einer LVH, AF", "LVH:u AFIB:p"),
    ("kein Verdacht auf LVH", "LVH:a"),
    ("previous LVH unlikely", "LVH:a"),
    # negation of a negation
    ("LBBB not excluded", "CLBBB:u"),
    ("LVH nicht sicher ausgeschlossen", "LVH:u"),
    ("LVH not unlikely", "LVH:u"),
    ("does not deny chest pain", "chest pain:p"),
    ("LVH without doubt", "LVH:p"),
    ("not only AF but also LBBB", "AFIB:p CLBBB:p"),
    # what was: a diagnosis stays, a rhythm need not
    ("AF resolved", "AFIB:a"),
    ("resolved pneumonia, LBBB", "pneumonia:a CLBBB:p"),
    ("AF converted to sinus rhythm", "AFIB:a SR:p"),
    ("previous AF, now sinus rhythm", "AFIB:a SR:p"),
    ("AF in der Vorgeschichte, aktuell Sinusrhythmus", "AFIB:a SR:p"),
    ("history of AF", "AFIB:u"),
    ("AF in the past", "AFIB:u"),
    ("AF years ago, today AF", "AFIB:p"),
    ("history of diabetes, sinus rhythm", "diabetes mellitus:p SR:p"),
    ("previous MI", "old myocardial infarction:p"),
    ("sinus rhythm instead of AF", "SR:p AFIB:a"),
    # what others have is not the patient's
    ("father has hypertension", ""),
    ("family history of hypertension and diabetes; LBBB", "CLBBB:p"),
    ("Mutter hat Diabetes", ""),
    ("Ehefrau hat Diabetes", ""),
    ("Neffe hat Diabetes", ""),
    ("wife has diabetes", ""),
    ("grandson has diabetes", ""),
    ("Mutter mit Diabetes, Hypertonie", "hypertension:p"),
    ("Familienanamnese: Diabetes und KHK", ""),
    ("no family history of diabetes, hypertension", "hypertension:p"),
    ("father had gout and patient has diabetes", "diabetes mellitus:p"),
    ("AF, father had AF", "AFIB:p"),
    ("daughter reports syncope", "syncope:p"),
    # as in a form
    ("AF = negative", "AFIB:a"),
    ("AF: negative, LVH: positive", "AFIB:a LVH:p"),
    ("LBBB neg., LVH pos.", "CLBBB:a LVH:p"),
    ("LBBB (-), AF (+)", "CLBBB:a AFIB:p"),
    ("AF and LBBB: negative", "AFIB:a CLBBB:a"),
    ("Atrial fibrillation (-) LVH (+)", "AFIB:a LVH:p"),
    ("AF -, LBBB +", "AFIB:a CLBBB:p"),
    ("AFib: N, LBBB: Y", "AFIB:a CLBBB:p"),
    ("AF=false; LVH: ja", "AFIB:a LVH:p"),
    ("☐ AF ☒ LVH ☐ LBBB", "AFIB:a LVH:p CLBBB:a"),
    ("EKG: no AF", "AFIB:a"),
    ("72-year-old man - AF", "AFIB:p"),
    ("Ausgeschlossen: LSB; ruled out: LVH", "CLBBB:a LVH:a"),
    ("RSB neg T in V1-3", "CRBBB:p INVT:p"),
    ("LSB, negative T-Wellen", "CLBBB:p INVT:p"),
    ("kein neg. T", "INVT:a"),
    # the other way round
    ("STEMI inferior", "IMI:p"),
    ("RSB inkomplett, RBBB incomplete", "IRBBB:p"),
    ("T waves inverted in V1-V3, QT prolonged", "INVT:p LNGQT:p"),
    ("EKG o.B.", "NORM:p"),
    ("LVH criteria not met", "LVH:a"),
    ("AF doubtful", "AFIB:u"),
    # another meaning
    ("LAD stenosis, on aspirin", "aspirin:p"),
    ("cerebral infarction", "ischaemic stroke:p"),
    ("wife with LBBB", ""),
    # abbreviations
    ("Denies CP, SOB, palpitations", "chest pain:a dyspnoea and abnormal breathing:a palpitations:a"),
    ("no evidence of ischemia or infarct", "ISC_:a acute myocardial infarction:a"),
    ("HWI, AVB III", "IMI:p 3AVB:p"),
    ("w/o AF, s/p CABG", "AFIB:a coronary bypass:p"),
    ("neg for AF and DM, +LBBB", "AFIB:a diabetes mellitus:a CLBBB:p"),
    ("Z.n. CABG, V.a. LVH, kein VHF", "coronary bypass:p LVH:u AFIB:a"),
]  # fmt: skip


@pytest.fixture(scope="module")
def terms() -> Terms:
    empty = pl.DataFrame(schema={"view": pl.String, "item": pl.String, "title": pl.String, "names": pl.List(pl.String)})
    return Terms(empty, {"diagnoses": diagnosis_names(), "medications": drug_names()}, ecg_diagnoses())


@pytest.fixture
def read(vocabulary: Vocabulary, terms: Terms):
    return lambda text: read_free_text(text, vocabulary, terms)


def said(found: FreeText) -> dict[str, str]:
    once = found.stated - found.differing
    named = {term.title: term.certainty[0] for term in found.terms if term.words not in once}
    return {code: certainty[0] for code, certainty in found.statements} | named


@pytest.mark.parametrize(("text", "told"), PHRASINGS)
def test_what_is_present_absent_and_possible(read, text, told):
    assert said(read(text)) == dict(re.findall(r"(\S.*?):([apu])\b", told))


def test_a_rhythm_that_was_is_a_diagnosis_and_no_rhythm_of_a_sinus_rhythm(read):
    found = read("history of atrial fibrillation, now sinus rhythm")
    assert found.codes("absent") == ["AFIB"] and found.codes("present") == ["SR"]
    assert [(term.title, term.certainty) for term in found.terms] == [("atrial fibrillation", "present")]
    assert found.terms[0].past and "atrial fibrillation" in found.differing, "the statement does not say all of it"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("no abnormality", ""),
        ("nothing abnormal", ""),
        ("LBBB, no tinnitus or vertigo", "complete left bundle branch block"),
        ("tinnitus ausgeschlossen, LBBB", "complete left bundle branch block"),
        ("father with gallstones, restless legs", "restless legs"),
        ("not restless but dizzy spells", "dizzy spells"),
        ("history of ventricular tachycardia, dizzy spells", "dizzy spells"),
    ],
)
def test_words_that_are_ruled_out_do_not_say_who_is_near(read, text, meaning):
    assert read(text).meaning == meaning


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("72-year-old man, hypertension, on digoxin, palpitations", ()),
        ("45 y/o woman with LBBB, blurry vision and tinnitus", ("blurry vision", "tinnitus")),
        ("Müdigkeit, Sehstörungen und LSB", ("Müdigkeit", "Sehstörungen")),
        ("LBBB, QTc 480 ms", ("QTc 480 ms",)),
        ("severe LVH, T2DM", ("severe", "T2DM")),
        ("no blurry vision, LBBB", ("blurry vision",)),  # nor is read that there is none
        ("He works as a teacher in Berlin, hypertension", ("works as a teacher in Berlin",)),
        ("the ECG of this patient shows a sinus rhythm at 70 bpm", ()),
        ("Das EKG zeigt einen Sinusrhythmus und kein LSB", ()),
        ("father has hypertension, LBBB", ("father has hypertension",)),
        ("tinnitus, tinnitus", ("tinnitus",)),
        ("81, 4.46 ?", ()),
        ("", ()),
    ],
)
def test_words_that_were_understood_as_nothing(read, text, unread):
    assert read(text).unread == unread
