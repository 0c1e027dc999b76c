"""Free text to an experience at generation time: what the text names, matched exactly and by meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.files import sha256_json
from sediff.knowledge.conflicts import conflicts
from sediff.knowledge.distill import confidences, distil_offline
from sediff.knowledge.embedding import embed
from sediff.knowledge.experience import Experience
from sediff.knowledge.free_text import FreeText, read_free_text
from sediff.knowledge.index import CANDIDATES
from sediff.knowledge.nearness import nearest, nearness
from sediff.knowledge.person import Sex
from sediff.knowledge.profiles import VIEWS, age_band
from sediff.knowledge.question import Question, as_question
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.statistics import sufficient, summarise
from sediff.knowledge.store import Store
from sediff.knowledge.table import experience_row
from sediff.knowledge.weights import neighbour_weights
from sediff.pseudonyms import Pseudonyms, keyed
from sediff.vocabulary import Vocabulary

MEANING = ("meaning",)
MEANING_SHARE = 0.2  # what the cosine of two texts counts beside an exact similarity
MIN_COSINE = 0.2  # what less has nothing in common but letters


@dataclass(frozen=True)
class Neighbour:
    """A training record that an answer rests on.

    Attributes:
        jaccard: view to J of its profile and the question's; 0 where both are empty.
        tau: Σ λ J over the views that the question has; cosine: of the two texts, -1 to 1.
        score: what it was chosen by, max(τ, 0.2 cosine), or how near it is in `Answer.near_in`.
        weight: how much it counts in the answer, a share of all neighbours' weight.
        age: in a band of ten years, the oldest "90 or over"; heart_rate: whole bpm; None where not known,
            as sex is. None is so exact that a record under a pseudonym could be known by it.
        statements: codes of what its ECG shows.
    """

    record_id: str
    jaccard: dict[str, float]
    tau: float
    cosine: float
    score: float
    weight: float
    age: str | None
    sex: str | None
    heart_rate: int | None
    statements: tuple[str, ...]


class TextIndex(Protocol):
    """Texts of training profiles by their meaning."""

    def nearest(self, text: str, k: int) -> list[tuple[str, float]]:
        """Ids of the texts nearest to one, with the cosine (-1 to 1); equal ones by id."""


class _Chosen(NamedTuple):
    """What an answer rests on.

    Attributes:
        rows: of the store's training records, most similar first.
        training: their profiles; all others are left behind.
        neighbours: of the one question, rows of `training`, with what they are like it by profile or meaning.
        scores: what each was chosen by.
        most_like: the row of the question's profiles that each was compared with.
        near_in: as in `Answer`.
    """

    rows: NDArray[np.int64]
    training: pl.DataFrame
    neighbours: Neighbours
    scores: NDArray[np.float64]
    most_like: NDArray[np.int64]
    near_in: tuple[str, ...]

    @classmethod
    def of(
        cls,
        neighbours: Neighbours,
        scores: NDArray[np.float64],
        most_like: NDArray[np.int64],
        near_in: tuple[str, ...],
        store: Store,
    ) -> Self:
        """From neighbours among all training records, and what is known of each of these."""
        there = neighbours.rows >= 0
        rows = neighbours.rows[there]
        among = replace(neighbours, rows=np.where(there, np.cumsum(there, axis=1) - 1, -1))
        return cls(rows, store.training[rows.tolist()], among, scores[rows], most_like[rows], near_in)

    @property
    def by_patient(self) -> bool:
        """Whether age, sex and heart rate alone chose."""
        return self.near_in not in ((), MEANING)


@dataclass(frozen=True)
class Answer:
    """What the store says of a text.

    Attributes:
        asked: how the text was understood.
        age, sex, heart_rate: those that count, in years and bpm: as given beside the text, or else as it states.
        weights: λ of each view, 0 where the question has nothing in it, else scaled to a sum of 1.
        experience: None where no training patient is near.
        near_in: what alone the neighbours were chosen by, since no training record has anything that the text names:
            its meaning, or those of "age", "sex" and "heart rate" that are known; () where one has.
        unknown, unseen, asked_as: as in `Question`.
        conflicts: what it asks for that no one ECG has.
    """

    asked: FreeText
    age: float | None
    sex: Sex | None
    heart_rate: float | None
    weights: dict[str, float]
    experience: Experience | None
    neighbours: tuple[Neighbour, ...] = ()
    near_in: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    asked_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()

    @cached_property
    def row(self) -> Mapping[str, Any]:
        """The experience as a row of the experience table; empty where there is none."""
        return experience_row(self.experience) if self.experience else {}

    def exported(self, pseudonyms: Pseudonyms) -> "Answer":
        """The same answer under the ids by which records may leave."""
        if self.experience is None or not any(pseudonyms.hides(n.record_id) for n in self.neighbours):
            return self
        experience = exported_experience(self.experience, pseudonyms)
        renamed = tuple(replace(n, record_id=pseudonyms.of(n.record_id)) for n in self.neighbours)
        return replace(self, experience=experience, neighbours=renamed)


def ask(
    text: str,
    vocabulary: Vocabulary,
    store: Store,
    index: TextIndex | None = None,
    k: int | None = None,
    age: float | None = None,
    sex: Sex | None = None,
    heart_rate: float | None = None,
) -> Answer:
    """What similar training patients teach about a text.

    The text's statements, drugs and diagnoses (present or uncertain) make a profile. It is compared by τ over the
    views that it has, whose weights are scaled to a sum of 1; records with a statement that the text rules out are
    left out. With an index, the score is max(τ, 0.2 cosine of the texts): what matches exactly comes first, and what is
    near by meaning fills up to ten; of more, only those near the best count (`Neighbours.near`). Ties as in
    `Retriever.top`: a rate that is stated, in the text or beside it, says who is near, as age and sex do. Where no
    record is like what the text names, `_near_patient` chooses. What no record has by its name is asked as each kind of
    it ("STEMI" as an infarct of each wall), and a record counts by that which it is most like. A text whose ECG
    statements, and diagnoses that are made of an ECG, are all in no training record has no experience: the ECGs of
    others say nothing of one that has them.

    Args:
        k: neighbours at most; as many as the store was made with by default.
        age, sex, heart_rate: years and bpm; they win over what the text states.
    """
    asked = read_free_text(text, vocabulary, store.terms)
    age = asked.person.age if age is None else age
    sex = asked.person.sex if sex is None else sex
    heart_rate = asked.person.heart_rate if heart_rate is None else heart_rate
    question = as_question(asked, vocabulary, store, age, sex)
    query = question.profiles[:1]
    weights = store.weights.over([view for view in VIEWS if len(query[view][0])])
    contradictory = conflicts(asked.codes("present"), heart_rate, vocabulary, store.implications)
    answer = Answer(
        asked, age, sex, heart_rate, weights, None, unknown=question.unknown, unseen=question.unseen,
        asked_as=question.asked_as, conflicts=tuple(contradictory),
    )  # fmt: skip
    chosen = None
    if question.answerable:
        count = k or store.neighbours
        chosen = _alike(asked, question, weights, store, index, count, heart_rate)
        patient = {"age": age, "sex": sex, "heart rate": heart_rate}
        chosen = chosen or _near_patient(asked, question, patient, store, count)
    if chosen is None:
        return answer
    counted = _weights(query, chosen, heart_rate)
    neighbours = tuple(_neighbours(asked.meaning, question.profiles, weights, chosen, counted, store))
    about = {"text": text, "age": age, "sex": sex, "neighbours": [n.record_id for n in neighbours]}
    if heart_rate is not None:
        about["heart_rate"] = heart_rate
    name = f"query:{sha256_json(about)[:16]}"
    experience = _experience(name, query, asked.codes("uncertain"), weights, chosen, counted, store, vocabulary)
    return replace(answer, experience=experience, neighbours=neighbours, near_in=chosen.near_in)


def exported_experience(experience: Experience, pseudonyms: Pseudonyms) -> Experience:
    """The same experience, which names records as they may be called."""
    if not any(map(pseudonyms.hides, (experience.record_id, *experience.neighbours))):
        return experience
    kind, _, name = experience.experience_id.partition(":")
    # That of a prompt is a hash over its neighbours' ids, which could be tried out.
    name = pseudonyms.of(experience.record_id) if experience.record_id else keyed(pseudonyms.key, name)
    return replace(
        experience,
        experience_id=f"{kind}:{name}",
        record_id=pseudonyms.of(experience.record_id),
        neighbours=tuple(map(pseudonyms.of, experience.neighbours)),
    )


def _alike(
    asked: FreeText,
    question: Question,
    weights: Mapping[str, float],
    store: Store,
    index: TextIndex | None,
    count: int,
    heart_rate: float | None,
) -> _Chosen | None:
    """Records that have something that the text names, or are near by meaning."""
    by_profile, most_like = _by_profile(question.profiles, weights, store)
    scores = by_profile.copy()
    if index is not None:
        scores = np.maximum(scores, MEANING_SHARE * _by_meaning(asked.meaning, index, store))
    scores[:, _with_any(question.ruled_out, store.training)] = 0
    rows = store.retriever.top(question.profiles[:1], scores, count, heart_rate)[0]
    if not len(rows):
        return None
    near_in = () if by_profile[0, rows].any() else MEANING
    neighbours = Neighbours(rows[None], scores[:, rows]).near(store.closeness)
    return _Chosen.of(neighbours, scores[0], most_like, near_in, store)


def _near_patient(
    asked: FreeText, question: Question, patient: Mapping[str, Any], store: Store, count: int
) -> _Chosen | None:
    """Records near in age, sex and heart rate alone, as far as they are known: what such patients have on the whole.

    Their τ is 0, and so is the confidence. There are none where nothing is known of the patient: nobody is nearer than
    anybody else then, and the models know without an experience what all training patients have on the whole. Nor where
    the text names an ECG statement that no record has: the ECGs of patients without it say nothing of one that has it.
    What the text rules out is left out here too.
    """
    known = tuple(name for name, value in patient.items() if value is not None)
    if not known or asked.codes("present", "uncertain"):
        return None
    near = nearness(store.training, *patient.values())
    near[_with_any(question.ruled_out, store.training)] = 0
    rows = nearest(near, count)
    like_none = np.zeros(len(near), np.int64)
    neighbours = Neighbours(rows[None], np.zeros((1, len(rows))))
    return _Chosen.of(neighbours, near, like_none, known, store) if len(rows) else None


def _by_profile(
    profiles: pl.DataFrame, weights: Mapping[str, float], store: Store
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """τ of each training record with the profile that it is most like, (1, n), and the row of that."""
    best, most_like = np.zeros((1, len(store.training))), np.zeros(len(store.training), np.int64)
    for row in range(len(profiles)):  # one at a time: there may be a hundred, and each has a number for every record
        own = store.retriever.similarities(profiles[row], weights)
        most_like[own[0] > best[0]] = row
        np.maximum(best, own, out=best)
    return best, most_like


def _by_meaning(meaning: str, index: TextIndex, store: Store) -> NDArray[np.float64]:
    similarities = np.zeros((1, len(store.training)))
    for name, similarity in index.nearest(meaning, CANDIDATES):
        if similarity >= MIN_COSINE:
            similarities[0, store.rows(name)] = round(similarity, 6)
    return similarities


def _with_any(codes: Sequence[str], training: pl.DataFrame) -> NDArray[np.bool_]:
    if not codes:
        return np.zeros(len(training), bool)
    return training["statements"].list.set_intersection(list(codes)).list.len().to_numpy() > 0


def _neighbours(
    meaning: str,
    profiles: pl.DataFrame,
    weights: dict[str, float],
    chosen: _Chosen,
    counted: NDArray[np.float32],
    store: Store,
) -> list[Neighbour]:
    says = (counted / counted.sum())[chosen.neighbours.rows >= 0]
    vectors = embed([meaning, *(store.texts[row] for row in chosen.rows)])
    cosines = vectors[1:] @ vectors[0]
    asked = [{view: set(profile[view]) for view in VIEWS} for profile in profiles.iter_rows(named=True)]
    found = []
    each = zip(chosen.training.iter_rows(named=True), chosen.most_like, cosines, chosen.scores, says, strict=True)
    for profile, like, cosine, score, weight in each:
        jaccard = {view: _jaccard(asked[like][view], set(profile[view])) for view in VIEWS}
        tau = sum(weights[view] * jaccard[view] for view in VIEWS)
        found.append(
            Neighbour(
                profile["record_id"],
                jaccard,
                tau,
                float(cosine),
                float(score),
                float(weight),
                age_band(profile["age"]),
                profile["sex"],
                None if profile["heart_rate"] is None else round(profile["heart_rate"]),
                tuple(profile["statements"]),
            )
        )
    return found


def _jaccard(one: set[Any], other: set[Any]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def _weights(query: pl.DataFrame, chosen: _Chosen, heart_rate: float | None) -> NDArray[np.float32]:
    """How much each neighbour counts, (1, k)."""
    if chosen.by_patient:
        return (chosen.scores / chosen.scores[0]).astype(np.float32)[None]
    stated = None if heart_rate is None else np.array([heart_rate])
    return neighbour_weights(chosen.neighbours, query, chosen.training, stated)


def _experience(
    name: str,
    query: pl.DataFrame,
    uncertain: list[str],
    weights: Mapping[str, float],
    chosen: _Chosen,
    counted: NDArray[np.float32],
    store: Store,
    vocabulary: Vocabulary,
) -> Experience:
    own, neighbours, named = chosen.training, chosen.neighbours, query["statements"].to_list()
    measured = store.measured[chosen.rows]
    statistics = summarise(neighbours, counted, named, own, measured, vocabulary.codes)
    expected = sufficient(statistics, neighbours, counted, measured)
    sure = confidences(neighbours, counted, statistics, query, weights)
    (said,) = distil_offline(expected, sure, named, vocabulary, chosen.near_in, uncertain)
    similarities = neighbours.similarities[neighbours.rows >= 0].astype(np.float32)  # as the table has them
    return Experience(name, "", *said, tuple(own["record_id"]), tuple(similarities.tolist()), statistics.row(0))
