"""What `sediff knowledge ask` and `show` do: questions to the store of the last run."""

from typing import Any

from flows.inputs import CHROMA, chroma_address, pseudonyms_of
from flows.stage import DATA
from sediff.errors import UserError
from sediff.knowledge.index import QUESTION_WAITS, KnowledgeIndex
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
from sediff.knowledge.store import MANIFEST, Manifest, open_store, read_manifest
from sediff.params import Params
from sediff.vocabulary import Vocabulary

KNOWLEDGE = DATA / "knowledge"


def knowledge_index(params: Params) -> KnowledgeIndex:
    """The index of the knowledge stage's out, embedded or on a server (`runtime.chroma`).

    Raises:
        UserError: the stage has not run, Chroma cannot be used, another process keeps it, or a restricted source's
            profiles may not go there.
    """
    return KnowledgeIndex.open(KNOWLEDGE, CHROMA, chroma_address(params), QUESTION_WAITS)


def ask_store(
    text: str, age: float | None, sex: Sex | None, heart_rate: float | None, neighbours: int | None
) -> tuple[list[str], dict[str, Any]]:
    """The store's answer to a text, as lines and as JSON.

    Raises:
        UserError: the stage has not run, or its out or Chroma cannot be used.
    """
    params, _ = _checked()
    store, vocabulary, index = open_store(KNOWLEDGE), Vocabulary.load(), knowledge_index(params)
    answer = ask(text, vocabulary, store, index, neighbours, age, sex, heart_rate).exported(pseudonyms_of(params))
    given = {"age": age, "sex": sex, "heart rate": heart_rate}
    lines = [*understood_lines(answer, vocabulary, given), *answer_lines(answer, store, vocabulary)]
    return lines, answer_json(answer, vocabulary, store)


def show_experience(name: str) -> tuple[list[str], dict[str, Any]]:
    """One experience in full, as lines and as JSON.

    Raises:
        UserError: the stage has not run, or has no such experience.
    """
    params, manifest = _checked()
    vocabulary = Vocabulary.load()
    row = find_experience(KNOWLEDGE, name, vocabulary, pseudonyms_of(params))
    lines = experience_lines(row, vocabulary, manifest.fingerprint)
    return lines, experience_json(row, vocabulary, manifest.fingerprint)


def require_restrictions(params: Params) -> Manifest:
    """Refuse where ids of what the models were made of would leave as they are, since another corpus is configured.

    Raises:
        UserError: a restricted source is in the store and not in params.yaml, or the store's manifest is damaged.
    """
    manifest = read_manifest(KNOWLEDGE)
    for source in manifest.parameters.sources:
        if source.sharing == "restricted" and source.name not in params.restricted:
            raise UserError(
                f"The models rest on {source.name}, which is restricted, and params.yaml does not name it: "
                "configure it again, or `sediff run` for models of the present corpus."
            )
    return manifest


def _checked() -> tuple[Params, Manifest]:
    """The parameters, and what the store says of itself, once its ids may be shown."""
    params = Params.load()
    if not (KNOWLEDGE / MANIFEST).is_file():
        raise UserError(f"{KNOWLEDGE} is missing: run `sediff run knowledge` once, or `dvc pull`, to have a store.")
    return params, require_restrictions(params)
