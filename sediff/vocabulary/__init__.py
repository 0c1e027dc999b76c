"""The vocabulary of ECG statements: names, classes and synonyms, from codes to text and back.

People curate it in `knowledge/`: `statements.yaml` (the statements), `certainty.yaml` (the words of negation and
doubt) and `wording.yaml` (heart axis and infarction stage). Text is English or German.
"""

from sediff.vocabulary.certainty import Certainty
from sediff.vocabulary.statements import KINDS, STATEMENTS, Kind, Statement
from sediff.vocabulary.vocabulary import Finding, Reading, Said, Vocabulary

__all__ = [
    "KINDS",
    "STATEMENTS",
    "Certainty",
    "Finding",
    "Kind",
    "Reading",
    "Said",
    "Statement",
    "Vocabulary",
]
