"""Rows of a request: the condition of one record each, and the experience that it rests on.

Real records are named here by the ids under which they may leave, so nothing that is made of a request knows others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sediff.diffusion.intervals import NONE_ASKED, Intervals
from sediff.encoder.conditions import Condition
from sediff.knowledge.experience import Experience
from sediff.knowledge.query import Answer, TextIndex, ask, exported_experience
from sediff.knowledge.store import open_store
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.schema import PromptRequest
from sediff.vocabulary import Vocabulary


@dataclass(frozen=True)
class RequestRow:
    """One record that is asked for.

    Attributes:
        matched_record_id: the real record whose condition it has ("" if none), as it may be called.
        intervals: that it shall have.
        exact_similarity: largest τ of a record that its experience rests on; None where it rests on none.
        meaning_similarity: largest cosine of such a record's text; None also where no text was compared.
    """

    condition: Condition
    statements: tuple[str, ...]
    matched_record_id: str = ""
    intervals: Intervals = NONE_ASKED
    exact_similarity: float | None = None
    meaning_similarity: float | None = None


def ask_prompt(
    prompt: PromptRequest, vocabulary: Vocabulary, knowledge: Path, index: TextIndex | None, pseudonyms: Pseudonyms
) -> Answer:
    """What the knowledge store says of a prompt, under the ids by which records may leave.

    Raises:
        UserError: the knowledge stage has not run.
    """
    store = open_store(knowledge)
    return ask(prompt.text, vocabulary, store, index, None, prompt.age, prompt.sex, prompt.heart_rate).exported(
        pseudonyms
    )


def prompt_row(prompt: PromptRequest, answer: Answer) -> RequestRow:
    """The row of a prompt: what it leaves out is taken from its text, and the rest from similar patients."""
    condition = Condition(prompt.text, answer.age, answer.sex, answer.heart_rate, answer.experience, prompt.axis)
    return RequestRow(
        condition,
        tuple(answer.asked.codes("present")),
        intervals=intervals_of(prompt),
        exact_similarity=max((neighbour.tau for neighbour in answer.neighbours), default=None),
        meaning_similarity=max((neighbour.cosine for neighbour in answer.neighbours), default=None),
    )


def corpus_row(condition: Condition, statements: Sequence[str], record_id: str) -> RequestRow:
    """The row with a real record's condition; its experience was found by τ alone."""
    found = condition.experience.similarities if condition.experience else ()
    return RequestRow(condition, tuple(statements), record_id, exact_similarity=max(found, default=None))


def intervals_of(prompt: PromptRequest) -> Intervals:
    """The intervals that a prompt asks for."""
    return Intervals(prompt.pr, prompt.qrs, prompt.qt)


def worded(prompt: PromptRequest, vocabulary: Vocabulary) -> PromptRequest:
    """The same prompt with its statements in words."""
    return prompt.model_copy(update={"text": prompt.text or vocabulary.describe(prompt.statements), "statements": ()})


def exported(condition: Condition, pseudonyms: Pseudonyms) -> Condition:
    """The same condition, whose experience names records as they may be called."""
    experience = condition.experience
    return replace(condition, experience=exported_experience(experience, pseudonyms)) if experience else condition


def rests_on_likeness(experience: Experience | None) -> bool:
    """Whether it rests on records that have something that was asked for, not on near age, sex and rate alone."""
    return experience is not None and any(experience.similarities)


def expected_heart_rate(condition: Condition) -> float | None:
    """The rate asked for, or what similar patients have; None where neither is known."""
    if condition.heart_rate is not None:
        return condition.heart_rate
    experience: Experience | None = condition.experience
    return experience.statistics.value("heart_rate") if experience else None
