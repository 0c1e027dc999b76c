"""Requests: which conditions a synthetic dataset has, in order.

Real records are named here by the ids under which they may leave, so nothing that is made of a request knows others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from sediff.encoder.conditions import Condition, corpus_conditions
from sediff.errors import UserError
from sediff.knowledge.experience import Experience
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.query import Answer, ask, exported_experience
from sediff.knowledge.store import open_store
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns
from sediff.seeds import seed_of
from sediff.synthesis.params import CohortRequest, PromptRequest
from sediff.vocabulary import Vocabulary


@dataclass(frozen=True)
class RequestRow:
    """One record that is asked for, and the real record whose condition it has ("" if none), as it may be called."""

    condition: Condition
    statements: tuple[str, ...]
    matched_record_id: str = ""


def cohort_request(
    request: CohortRequest, split: str, corpus: Path, knowledge: Path, seed: int, pseudonyms: Pseudonyms
) -> list[RequestRow]:
    """Conditions of real records of one split, drawn without replacement as long as there are any.

    A condition's text is the corpus's own, composed from statements, never what a patient's report says word for word.

    Raises:
        UserError: the split has no record.
    """
    records = read_columns(corpus / "records").filter(pl.col("split") == split)
    if not len(records):
        raise UserError(f"corpus has no {split} record to take conditions from: check corpus.folds.")
    if any(map(pseudonyms.hides, records["record_id"])):
        # The draw is public: from the corpus's own order it would tell which record is behind which pseudonym.
        records = records.sort(pl.Series(map(pseudonyms.of, records["record_id"])))
    rng = np.random.default_rng(seed_of(seed, "request", split))
    rounds = -(-request.records // len(records))
    order = np.concatenate([rng.permutation(len(records)) for _ in range(rounds)])[: request.records]
    chosen = records[order]
    return [
        RequestRow(_exported(condition, pseudonyms), tuple(statements), pseudonyms.of(record_id))
        for condition, statements, record_id in zip(
            corpus_conditions(chosen, knowledge), chosen["statements"].to_list(), chosen["record_id"], strict=True
        )
    ]


def prompt_request(
    prompts: Sequence[PromptRequest],
    vocabulary: Vocabulary,
    knowledge: Path,
    index: KnowledgeIndex | None,
    pseudonyms: Pseudonyms,
) -> list[RequestRow]:
    """Rows of free-text prompts, each with the experience that similar training patients give.

    Raises:
        UserError: the knowledge stage has not run.
    """
    rows = []
    for prompt in prompts:
        row = prompt_row(prompt, ask_prompt(prompt, vocabulary, knowledge, index, pseudonyms))
        rows += [row] * prompt.records
    return rows


def ask_prompt(
    prompt: PromptRequest, vocabulary: Vocabulary, knowledge: Path, index: KnowledgeIndex | None, pseudonyms: Pseudonyms
) -> Answer:
    """What the knowledge store says of a prompt, under the ids by which records may leave."""
    return ask(
        prompt.text, vocabulary, open_store(knowledge), index, None, prompt.age, prompt.sex, prompt.heart_rate
    ).exported(pseudonyms)


def prompt_row(prompt: PromptRequest, answer: Answer) -> RequestRow:
    """The row of a prompt: what it leaves out is taken from its text, and the rest from similar patients."""
    condition = Condition(prompt.text, answer.age, answer.sex, answer.heart_rate, answer.experience, prompt.axis)
    return RequestRow(condition, tuple(answer.asked.codes("present")))


def _exported(condition: Condition, pseudonyms: Pseudonyms) -> Condition:
    """The same condition, whose experience names records as they may be called."""
    experience = condition.experience
    return replace(condition, experience=exported_experience(experience, pseudonyms)) if experience else condition


def expected_heart_rate(condition: Condition) -> float | None:
    """The rate asked for, or what similar patients have; None where neither is known."""
    if condition.heart_rate is not None:
        return condition.heart_rate
    experience: Experience | None = condition.experience
    return experience.statistics.value("heart_rate") if experience else None
