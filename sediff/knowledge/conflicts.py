"""What a text asks for that no one ECG has: rhythms that exclude each other, rates outside a rhythm's definition."""

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from sediff.knowledge.rhythms import PACED
from sediff.vocabulary import Vocabulary
from sediff.vocabulary.implications import Implied
from sediff.vocabulary.vocabulary import SINUS

NORMAL = "NORM"
MINOR = frozenset({"IRBBB", "IVCD", "1AVB", "LAFB", "LPFB", "NST_"})  # which PTB-XL's readers state of a normal ECG too
# A heart has one basic rhythm at a time. Fibrillation and flutter are supraventricular tachycardias as well.
ECTOPIC = frozenset({"AFIB", "AFLT", "SVTAC", "PSVT"})
PAIRS = tuple(
    map(frozenset, (("SBRAD", "STACH"), ("CLBBB", "CRBBB"), ("CLBBB", "IRBBB"), ("CRBBB", "ILBBB"), ("AFIB", "1AVB")))
)


def conflicts(
    codes: Collection[str], heart_rate: float | None, vocabulary: Vocabulary, implications: Mapping[str, Implied]
) -> list[str]:
    """What does not go together, each in a few words.

    Args:
        codes: of statements that are present without doubt; heart_rate: bpm, None where none is asked for.
    """
    found = [
        f"{vocabulary[one].name} and {vocabulary[other].name}"
        for one, other in combinations(sorted(codes), 2)
        if _exclusive(one, other, vocabulary)
    ]
    return [*found, *_rates(codes, heart_rate, vocabulary, implications)]


def _exclusive(one: str, other: str, vocabulary: Vocabulary) -> bool:
    if NORMAL in (one, other):
        code = other if one == NORMAL else one
        abnormal = vocabulary[code].superclass not in (None, NORMAL) or code in ECTOPIC or code == PACED
        return abnormal and code not in MINOR
    rhythms = (one in SINUS and other in ECTOPIC) or (one in ECTOPIC and other in SINUS)
    return rhythms or {one, other} in PAIRS


def _rates(
    codes: Collection[str], heart_rate: float | None, vocabulary: Vocabulary, implications: Mapping[str, Implied]
) -> Iterator[str]:
    if heart_rate is None:
        return
    for code in sorted(codes):
        bound = implications.get(code, Implied()).heart_rate
        if bound.min is not None and heart_rate < bound.min:
            yield f"{vocabulary[code].name}, which is {bound.min:g} bpm or more, and {heart_rate:g} bpm"
        if bound.max is not None and heart_rate > bound.max:
            yield f"{vocabulary[code].name}, which is {bound.max:g} bpm or less, and {heart_rate:g} bpm"
