import random
import time
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.vocabulary import SUPERCLASSES, Vocabulary, statement_labels, superclass_labels

VOCABULARY = Vocabulary.load(Path(__file__).parents[1] / "knowledge/statements.yaml")


def found(text: str) -> dict[str, str]:
    return {finding.code: finding.certainty for finding in VOCABULARY.find(text)}


def test_codes_are_sorted():
    assert list(VOCABULARY.codes) == sorted(VOCABULARY.codes)


@pytest.mark.parametrize("code", VOCABULARY.codes)
def test_every_name_is_found_again(code):
    assert found(VOCABULARY.describe([code])) == {code: "present"}


def test_sets_of_statements_survive_the_text():
    rng = random.Random(0)
    for _ in range(200):
        codes = set(rng.sample(VOCABULARY.codes, rng.randint(1, 6)))
        assert found(VOCABULARY.describe(codes)) == dict.fromkeys(codes, "present")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no evidence of atrial fibrillation", {"AFIB": "absent"}),
        ("LBBB, sinus rhythm", {"CLBBB": "present", "SR": "present"}),
        ("Sinusrhythmus. Kein Hinweis auf Linksschenkelblock.", {"SR": "present", "CLBBB": "absent"}),
        ("cannot rule out inferior infarct", {"IMI": "uncertain"}),
        ("V.a. Vorderwandinfarkt, Vorhofflimmern", {"AMI": "uncertain", "AFIB": "present"}),
        ("incomplete right bundle branch block", {"IRBBB": "present"}),
        (
            "sinus rhythm without AV block I or LVH but with RBBB",
            {"SR": "present", "1AVB": "absent", "LVH": "absent", "CRBBB": "present"},
        ),
        ("paroxysmal SVT", {"PSVT": "present"}),
        ("left-bundle-branch-block", {"CLBBB": "present"}),
        ("AFTER the staff left", {}),
        ("sinusrytm normalt EKG", {"SR": "present", "NORM": "present"}),
        ("FÖRMAKSFLIMMER inkomplett hÖgersidigt skÄnkelblock", {"AFIB": "present", "IRBBB": "present"}),
        (
            "misstänkt vänster kammarhypertrofi, anteroseptal myokardskada kan ej uteslutas",
            {"LVH": "uncertain", "ASMI": "uncertain"},
        ),
        (
            "sinusrytm inferior infarkt ålder ej bestämmbar hög lateral infarkt bör övervägas",
            {"SR": "present", "IMI": "present", "LMI": "uncertain"},
        ),
        ("ST-T sänkning, såsom vid anterolateral ischemi eller vänster belastning", {"ISCAL": "uncertain"}),
        (
            "inget skänkelblock, ej förmaksflimmer men vänster främre hemiblock",
            {"BBB": "absent", "AFIB": "absent", "LAFB": "present"},
        ),
        ("regelbunden rytm, inga p-våg funna ospecifik t-förändring", {"NDT": "present"}),
        (
            "links ant. Hemiblock, Q in V1, Vorhofsüberbelastung links",
            {"LAFB": "present", "QWAVE": "present", "LAO/LAE": "present"},
        ),
    ],
)
def test_free_text(text, expected):
    assert found(text) == expected


def test_an_unknown_code_is_named():
    with pytest.raises(UserError, match="XYZ"):
        VOCABULARY.describe(["XYZ"])


def test_views_and_superclasses():
    assert VOCABULARY.views(["AFIB", "NDT", "IMI"]) == {
        "rhythm": ["AFIB"],
        "diagnostic": ["IMI", "NDT"],
        "form": ["NDT"],
    }
    assert VOCABULARY.superclasses(["AFIB", "IMI", "LVH"]) == {"MI", "HYP"}


@pytest.mark.parametrize("code", VOCABULARY.codes)
def test_every_phrase_and_the_code_itself_find_their_statement(code):
    for phrase in (*VOCABULARY[code].phrases, code):
        assert found(phrase) == {code: "present"}, phrase


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "No AF, LVH or ischaemia, sinus rhythm",
            {"AFIB": "absent", "LVH": "absent", "ISC_": "absent", "SR": "present"},
        ),
        ("Kein Hinweis auf Vorhofflimmern oder AV-Block 1. Grades", {"AFIB": "absent", "1AVB": "absent"}),
        ("Vorhofflimmern ausgeschlossen", {"AFIB": "absent"}),
        ("sinusrhythmus anteroseptaler myokardschaden mÖglich", {"SR": "present", "ASMI": "uncertain"}),
        ("inferiorer infarkt wahrscheinlich alt", {"IMI": "present"}),
        ("mögliche Ischämie, Vorhofflimmern", {"ISC_": "uncertain", "AFIB": "present"}),
        ("anterior infarct cannot be excluded", {"AMI": "uncertain"}),
        ("LBBB? sinus rhythm", {"CLBBB": "uncertain", "SR": "present"}),
        ("? LVH", {"LVH": "uncertain"}),
        ("no evidence of atrial fibrillation. Atrial fibrillation", {"AFIB": "present"}),
        ("unvollstÄndiger rechtsschenkelblock", {"IRBBB": "present"}),
        ("ventrikuläre Extrasystole(n)", {"PVC": "present"}),
        ("abnormal ECG", {}),
        ("atrial flutter with 2:1 AV block", {"AFLT": "present"}),
        ("a-v block i, left ventricular hypertrophy", {"1AVB": "present", "LVH": "present"}),
        ("schenkelblock partiell rechts", {"IRBBB": "present"}),
        ("unspezifisches abnormes T", {"NDT": "present"}),
        ("st & t abnorm, wahrscheinlich anterolaterale ischÄmie oder linksbelastung", {"ISCAL": "uncertain"}),
        ("st & t abnorm", {"NST_": "present"}),
        ("hochlateraler infarkt mÖglich", {"LMI": "uncertain"}),
        ("sinus rhythm. rhythm was previously atrial fibrillation", {"SR": "present", "AFIB": "absent"}),
        ("consider LBBB, LVH. sinus rhythm", {"CLBBB": "uncertain", "LVH": "uncertain", "SR": "present"}),
        ("possible LBBB, LVH", {"CLBBB": "uncertain", "LVH": "present"}),
        ("Überdrehter Linkstyp, verzögerte R-Progression", {"LAD": "present", "PRWP": "present"}),
    ],
)
def test_negation_doubt_and_lists(text, expected):
    assert found(text) == expected


def test_only_diagnostic_statements_have_a_superclass():
    for code in VOCABULARY.codes:
        assert ("diagnostic" in VOCABULARY[code].kinds) == (VOCABULARY[code].superclass is not None), code


def test_rhythm_comes_first_in_a_sentence():
    assert VOCABULARY.describe(["LVH", "1AVB", "SR", "LVH"]) == (
        "Sinus rhythm, first degree AV block, left ventricular hypertrophy."
    )
    assert VOCABULARY.describe([]) == ""


def test_20000_texts_take_seconds():
    texts = [VOCABULARY.describe(random.Random(seed).sample(VOCABULARY.codes, 5)) for seed in range(500)]
    started = time.process_time()
    for text in texts * 4:
        VOCABULARY.find(text)
    assert time.process_time() - started < 2  # 2,000 texts


def test_curated_files_that_are_broken_are_named(tmp_path):
    with pytest.raises(UserError, match=r"statements\.yaml is missing"):
        Vocabulary.load(tmp_path / "statements.yaml")
    (tmp_path / "statements.yaml").write_text("AFIB: {name: atrial fibrillation, colour: red}")
    with pytest.raises(UserError, match=r"statements\.yaml is malformed"):
        Vocabulary.load(tmp_path / "statements.yaml")
    (tmp_path / "statements.yaml").write_text("AFIB: {name: atrial fibrillation, kinds: [rhythm]}")
    with pytest.raises(UserError, match=r"certainty\.yaml is missing"):
        Vocabulary.load(tmp_path / "statements.yaml")
    (tmp_path / "certainty.yaml").write_text("{absent_before: 3}")
    (tmp_path / "wording.yaml").write_text("{heart_axis: {}, infarction_stage: {}}")
    with pytest.raises(UserError, match=r"certainty\.yaml or .* is malformed"):
        Vocabulary.load(tmp_path / "statements.yaml")
    (tmp_path / "certainty.yaml").write_text("{doubted_before: [hardly]}")
    with pytest.raises(UserError, match=r"certainty\.yaml or .*wording\.yaml is malformed"):
        Vocabulary.load(tmp_path / "statements.yaml")


def test_superclasses_of_statements():
    labels = superclass_labels([["NORM", "SR"], ["CLBBB", "IMI"], []], VOCABULARY)
    told = [{name for name, of in zip(SUPERCLASSES, row, strict=True) if of} for row in labels]
    assert told == [{"NORM"}, {"CD", "MI"}, set()]


def test_no_records_have_a_column_for_each_label():
    assert statement_labels([], ["NORM", "SR"]).shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("history of atrial fibrillation, now sinus rhythm", {"AFIB": "absent", "SR": "present"}),
        ("Z.n. Vorhofflimmern, Sinusrhythmus", {"AFIB": "absent", "SR": "present"}),
        ("Z.n. Vorhofflimmern", {"AFIB": "uncertain"}),
        ("previous anteroseptal infarct unlikely", {"ASMI": "absent"}),
        ("s/p inferior infarct", {"IMI": "present"}),  # its traces stay
        ("no history of atrial fibrillation", {"AFIB": "absent"}),
        ("history of AF. Today AF", {"AFIB": "present"}),
        ("wandernder Schrittmacher", {}),
        ("low limb lead voltage", {"LVOLT": "present"}),
        ("Q in III, aVF", {"QWAVE": "present"}),
    ],
)
def test_what_was_need_not_be_there_now(text, expected):
    assert found(text) == expected
