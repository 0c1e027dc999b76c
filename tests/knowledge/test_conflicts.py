import pytest

from sediff.knowledge.conflicts import conflicts
from sediff.vocabulary import Vocabulary
from sediff.vocabulary.implications import read_implications


@pytest.mark.parametrize(
    ("codes", "heart_rate", "told"),
    [
        (["AFIB", "SR"], None, ["atrial fibrillation and sinus rhythm"]),
        (["SBRAD", "STACH"], None, ["sinus bradycardia and sinus tachycardia"]),
        (["CLBBB", "NORM"], None, ["complete left bundle branch block and normal ECG"]),
        (["AFIB", "NORM"], None, ["atrial fibrillation and normal ECG"]),
        (["SBRAD"], 150, ["sinus bradycardia, which is 60 bpm or less, and 150 bpm"]),
        (["STACH"], 50, ["sinus tachycardia, which is 100 bpm or more, and 50 bpm"]),
        (["NORM", "PACE"], None, ["normal ECG and artificial pacemaker rhythm"]),
        (["1AVB", "AFIB"], None, ["first degree AV block and atrial fibrillation"]),
        (["SR", "SVTAC"], None, ["sinus rhythm and supraventricular tachycardia"]),
        (["AFIB", "AFLT", "SVTAC"], None, []),
        (["SARRH", "SBRAD", "SR"], 60, []),
        (["IRBBB", "NORM", "SR"], 70, []),
        (["AFIB", "CLBBB", "PACE", "PVC"], 150, []),
        (["STACH"], 100, []),
        ([], 150, []),
    ],
)
def test_what_no_one_ecg_has(codes, heart_rate, told, vocabulary: Vocabulary):
    assert conflicts(codes, heart_rate, vocabulary, read_implications()) == told
