"""The vocabulary of ECG statements: names, classes and synonyms, from codes to text and back.

People curate it in `knowledge/`: `statements.yaml` (the statements), `certainty.yaml` (the words of negation and
doubt) and `wording.yaml` (heart axis and infarction stage). Text is English or German; of
Swedish the words of PTB-XL's reports are known.
"""

from sediff.vocabulary.certainty import Certainty
from sediff.vocabulary.labels import statement_labels, statement_sets, superclass_labels
from sediff.vocabulary.statements import KINDS, STATEMENTS, SUPERCLASSES, Kind, Statement
from sediff.vocabulary.vocabulary import Finding, Reading, Said, Vocabulary

__all__ = [
    "KINDS",
    "STATEMENTS",
    "SUPERCLASSES",
    "Certainty",
    "Finding",
    "Kind",
    "Reading",
    "Said",
    "Statement",
    "Vocabulary",
    "statement_labels",
    "statement_sets",
    "superclass_labels",
]
