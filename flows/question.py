"""What `sediff knowledge ask` and `show` do: questions to the store of the last run."""

from typing import Any

from flows.inputs import CHROMA, chroma_address, pseudonyms_of, require_restrictions
from flows.stage import DATA
from sediff.errors import UserError
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.person import Sex
from sediff.knowledge.query import ask
from sediff.knowledge.show import (
    answer_json,
    answer_lines,
    experience_json,
    experience_lines,
    find_experience,
    understood_lines,
)
from sediff.knowledge.store import Store, open_store
from sediff.params import Params
from sediff.vocabulary import Vocabulary

KNOWLEDGE = DATA / "knowledge"


def knowledge_index(params: Params) -> KnowledgeIndex:
    """The index of the knowledge stage's out, embedded or on a server (`runtime.chroma`).

    Raises:
        UserError: the stage has not run, Chroma cannot be used, or a restricted source's profiles may not go there.
    """
    return KnowledgeIndex.open(KNOWLEDGE, CHROMA, chroma_address(params))


def ask_store(
    text: str, age: float | None, sex: Sex | None, heart_rate: float | None, neighbours: int | None
) -> tuple[list[str], dict[str, Any]]:
    """The store's answer to a text, as lines and as JSON.

    Raises:
        UserError: the stage has not run, or its out or Chroma cannot be used.
    """
    params, store = _opened()
    vocabulary, index = Vocabulary.load(), knowledge_index(params)
    answer = ask(text, vocabulary, store, index, neighbours, age, sex, heart_rate).exported(pseudonyms_of(params))
    given = {"age": age, "sex": sex, "heart rate": heart_rate}
    lines = [*understood_lines(answer, vocabulary, given), *answer_lines(answer, store.fingerprint)]
    return lines, answer_json(answer, vocabulary, store.fingerprint)


def show_experience(name: str) -> tuple[list[str], dict[str, Any]]:
    """One experience in full, as lines and as JSON.

    Raises:
        UserError: the stage has not run, or has no such experience.
    """
    params, store = _opened()
    vocabulary = Vocabulary.load()
    row = find_experience(KNOWLEDGE, name, vocabulary, pseudonyms_of(params))
    lines = experience_lines(row, vocabulary, store.fingerprint)
    return lines, experience_json(row, vocabulary, store.fingerprint)


def _opened() -> tuple[Params, Store]:
    params = Params.load()
    if not (KNOWLEDGE / "manifest.json").is_file():
        raise UserError(f"{KNOWLEDGE} is missing: run `sediff run knowledge` once, or `dvc pull`, to have a store.")
    require_restrictions(params)
    return params, open_store(KNOWLEDGE)
