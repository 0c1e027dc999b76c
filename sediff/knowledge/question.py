"""What a text asks for, as profiles to compare with those of the training records.

A text may name broadly what records' statements name by kind ("STEMI"; they name the wall). Where no record has it by
that name, it is asked as each of its kinds, or as those that the text names itself. What is ruled out broadly is ruled
out in every kind that the text does not state.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import NamedTuple

import polars as pl

from sediff.knowledge.free_text import FreeText, Term
from sediff.knowledge.profiles import VIEWS, statement_views
from sediff.knowledge.store import Store
from sediff.vocabulary import Vocabulary


class Question(NamedTuple):
    """Profiles that a text may stand for, of which a record is compared with that which it is most like.

    Attributes:
        profiles: the views, statements (those that the text names), age and sex; the same views are empty in each.
        asked_as: what no training record has by that name, and the codes of the kinds of it that some have, as each of
            which it is asked.
        unknown: codes of ECG statements that the text names and no training record has, nor a kind of them.
        unseen: titles of diagnoses that are made of an ECG, of which the same is so.
        ruled_out: codes of the statements that no neighbour may have.
        answerable: whether some of the ECG that the text names is in some record, or it names none.
    """

    profiles: pl.DataFrame
    asked_as: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    unseen: tuple[str, ...]
    ruled_out: tuple[str, ...]
    answerable: bool


def as_question(asked: FreeText, vocabulary: Vocabulary, store: Store, age: float | None, sex: str | None) -> Question:
    """What a text asks for; what is present or uncertain counts."""
    named = asked.codes("present", "uncertain")
    lacking = [code for code in named if code not in store.statements]
    broad = [*lacking, *sorted({term.title for term in _lacking(asked) if not _was(term, store)})]
    asked_as = {name: of for name in broad if (of := _kinds(name, asked, named, store))}
    unknown = tuple(code for code in lacking if code not in asked_as)
    unseen = tuple(title for title in _unseen(asked, store) if title not in asked_as)
    own = [code for code in named if code not in asked_as]
    kinds = dict.fromkeys(asked_as.values())  # those of an infarct, old or new, are the same
    columns = [_views(asked, [*own, *chosen], vocabulary) for chosen in product(*kinds)]
    schema = {name: pl.List(pl.String) for name in VIEWS}
    profiles = pl.DataFrame(columns, schema=schema).with_columns(
        pl.lit(named, dtype=pl.List(pl.String)).alias("statements"),
        pl.lit("").alias("patient_id"),
        pl.lit(age, dtype=pl.Float64).alias("age"),
        pl.lit(sex, dtype=pl.String).alias("sex"),
    )
    titled = {vocabulary[name].name if vocabulary.known(name) else name: of for name, of in asked_as.items()}
    answerable = not (named or unseen) or len(unknown) < len(named)
    return Question(profiles, titled, unknown, unseen, _ruled_out(asked, named, store), answerable)


def _kinds(name: str, asked: FreeText, named: Collection[str], store: Store) -> tuple[str, ...]:
    """The kinds of what a text names broadly: those that it names itself, or else all that it does not rule out."""
    absent = asked.codes("absent")
    kinds = [code for code in store.kinds.get(name, ()) if code not in absent]
    return tuple(code for code in kinds if code in named) or tuple(kinds)


def _ruled_out(asked: FreeText, named: Collection[str], store: Store) -> tuple[str, ...]:
    absent = asked.codes("absent")
    names = (*absent, *(term.title for term in asked.terms if term.certainty == "absent"))
    kinds = {code for name in names for code in store.kinds.get(name, ())} - set(named)
    return tuple(sorted({*absent, *kinds}))


def _was(term: Term, store: Store) -> bool:
    """Whether it is a rhythm or a block of the past, which need not be there now; an infarct leaves its marks."""
    return term.past and term.title in store.terms.of_ecg


def _lacking(asked: FreeText) -> Iterator[Term]:
    """Terms that the text does not rule out, no training record has, and no statement was read from."""
    return (term for term in asked.named() if not term.items and term.words not in asked.stated)


def _unseen(asked: FreeText, store: Store) -> tuple[str, ...]:
    """Titles of diagnoses made of an ECG that a text says are there now, not as a statement, and no record has."""
    there = [term for term in _lacking(asked) if term.certainty == "present" and not _was(term, store)]
    return tuple(dict.fromkeys(term.title for term in there if term.title in store.terms.of_ecg))


def _views(asked: FreeText, codes: list[str], vocabulary: Vocabulary) -> dict[str, list[str]]:
    statements = statement_views(codes, vocabulary)
    named = [(term.view, item) for term in asked.named() for item in term.items]
    return {view: sorted({*statements[view], *(item for of, item in named if of == view)}) for view in VIEWS}
