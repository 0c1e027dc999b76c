import pytest

from sediff.errors import UserError
from sediff.phrases import Phrases, stem, tokenise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Extrasystolen", "extrasystole"),
        ("ventrikulären", "ventrikulaere"),
        ("complexes", "complex"),
        ("abnormalities", "abnormality"),
        ("kompletter", "komplett"),
    ],
)
def test_inflected_forms_share_a_stem(one, other):
    assert [stem(token) for token in tokenise(one)] == [stem(token) for token in tokenise(other)]


@pytest.mark.parametrize(("one", "other"), [("left", "right"), ("anterior", "inferior"), ("normal", "abnormal")])
def test_other_words_do_not(one, other):
    assert stem(one) != stem(other)


def test_dots_of_abbreviations_and_numbers_end_no_sentence():
    assert tokenise("V.a. Block 1. Grades, 4.46") == ["Va", "Block", "1", "Grades", ",", "4.46"]


def test_prefixes_may_be_written_apart():
    assert tokenise("non-specific") == tokenise("nonspecific") == tokenise("non specific")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("A-V block", ["AV", "block"]),
        ("S-A", ["SA"]),
        ("PVC's", ["PVC"]),
        ("can't", ["can't"]),
        ("f#r", ["fuer"]),
        ("#3", ["3"]),
        ("AV-Block 1.Grades", ["AV", "Block", "1", "Grades"]),
        ("2:1 block", ["2:1", "block"]),
        ("T abnrm", ["T", "abnormality"]),
        ("inkompl. RSB", ["inkomplett", "RSB"]),
        ("supraventr. Tachykardie", ["supraventrikulaere", "Tachykardie"]),
        ("normal. Sinus", ["normal", ".", "Sinus"]),
    ],
)
def test_other_spellings(written, read):
    assert tokenise(written) == read


def test_the_longest_phrase_wins_and_words_are_whole():
    phrases = Phrases({"A": ["block"], "B": ["bundle branch block"]}, str.lower)
    assert phrases.all_in(["bundle", "branch", "block", "blockade", "block"]) == ["B", "A"]


def test_a_phrase_of_two_meanings_is_refused():
    with pytest.raises(UserError, match="both A and B"):
        Phrases({"A": ["LBBB"], "B": ["lbbb"]}, str.lower)
