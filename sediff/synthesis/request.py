"""Requests: which conditions a synthetic dataset has, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sediff.encoder.conditions import Condition, corpus_conditions
from sediff.errors import UserError
from sediff.knowledge.experience import Experience
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.query import experience_for_text
from sediff.records import read_columns
from sediff.seeds import seed_of
from sediff.synthesis.params import CohortRequest, PromptRequest
from sediff.vocabulary import Vocabulary


@dataclass(frozen=True)
class RequestRow:
    """One record that is asked for, and the real record whose condition it has ("" if none)."""

    condition: Condition
    statements: tuple[str, ...]
    matched_record_id: str = ""


def cohort_request(request: CohortRequest, split: str, corpus: Path, knowledge: Path, seed: int) -> list[RequestRow]:
    """Conditions of real records of one split, drawn without replacement as long as there are any.

    Raises:
        UserError: the split has no record.
    """
    records = read_columns(corpus / "records").filter(pl.col("split") == split)
    if not len(records):
        raise UserError(f"corpus has no {split} record to take conditions from: check corpus.folds.")
    rng = np.random.default_rng(seed_of(seed, "request", split))
    rounds = -(-request.records // len(records))
    order = np.concatenate([rng.permutation(len(records)) for _ in range(rounds)])[: request.records]
    chosen = records[order]
    return [
        RequestRow(condition, tuple(statements), record_id)
        for condition, statements, record_id in zip(
            corpus_conditions(chosen, knowledge), chosen["statements"].to_list(), chosen["record_id"], strict=True
        )
    ]


def prompt_request(
    prompts: Sequence[PromptRequest], vocabulary: Vocabulary, knowledge: Path, index: KnowledgeIndex | None
) -> list[RequestRow]:
    """Rows of free-text prompts, each with the experience that similar training patients give."""
    rows = []
    for prompt in prompts:
        experience = experience_for_text(prompt.text, vocabulary, knowledge, index, age=prompt.age, sex=prompt.sex)
        condition = Condition(prompt.text, prompt.age, prompt.sex, prompt.heart_rate, experience, prompt.axis)
        statements = tuple(sorted({f.code for f in vocabulary.find(prompt.text) if f.certainty == "present"}))
        rows += [RequestRow(condition, statements)] * prompt.records
    return rows


def expected_heart_rate(condition: Condition) -> float | None:
    """The rate asked for, or what similar patients have; None where neither is known."""
    if condition.heart_rate is not None:
        return condition.heart_rate
    experience: Experience | None = condition.experience
    return experience.heart_rate_median if experience else None
