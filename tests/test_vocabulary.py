import random
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load(Path(__file__).parents[1] / "knowledge/statements.yaml")


def found(text: str) -> dict[str, str]:
    return {finding.code: finding.certainty for finding in VOCABULARY.find(text)}


def test_all_71_statements_are_there():
    assert len(VOCABULARY.codes) == 71
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
        ("sinus rhythm without AV block I or LVH but with RBBB", {"SR": "present", "1AVB": "absent", "LVH": "absent", "CRBBB": "present"}),
        ("paroxysmal SVT", {"PSVT": "present"}),
        ("left-bundle-branch-block", {"CLBBB": "present"}),
        ("AFTER the staff left", {}),
    ],
)
def test_free_text(text, expected):
    assert found(text) == expected


def test_an_unknown_code_is_named():
    with pytest.raises(UserError, match="XYZ"):
        VOCABULARY.describe(["XYZ"])


def test_views_and_superclasses():
    assert VOCABULARY.views(["AFIB", "NDT", "IMI"]) == {"rhythm": ["AFIB"], "diagnostic": ["IMI", "NDT"], "form": ["NDT"]}
    assert VOCABULARY.superclasses(["AFIB", "IMI", "LVH"]) == {"MI", "HYP"}
