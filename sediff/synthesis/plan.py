"""A request's rows, made when they are needed: record i's condition is a function of (seed, i)."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from statistics import NormalDist
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.diffusion.intervals import Intervals
from sediff.encoder.conditions import corpus_conditions
from sediff.errors import UserError
from sediff.knowledge.exact import ExactIndex
from sediff.knowledge.store import open_store
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns
from sediff.seeds import seed_of
from sediff.synthesis.draws import Draw, InRounds, LikeCorpus, fill_up
from sediff.synthesis.request import (
    RequestRow,
    ask_prompt,
    corpus_row,
    exported,
    intervals_of,
    prompt_row,
    rests_on_likeness,
    worded,
)
from sediff.synthesis.schema import (
    AGE,
    AXIS,
    HEART_RATE,
    PR,
    QRS,
    QT,
    UP_TO,
    DrawnRequest,
    FillRequest,
    LikeRequest,
    Part,
    PromptRequest,
    Spread,
)
from sediff.vocabulary import Vocabulary, statement_labels, statement_sets

MOST_FILLED = 10**7  # records of one fill: they are drawn one by one before the first is made, and take 8 bytes each
ANSWERS_KEPT = 1024  # of different prompts: conditions that are drawn repeat
COLUMNS = ("record_id", "split", "report", "age", "sex", "heart_rate", "axis", "statements")


class Rows(Protocol):
    """Rows of one part of a request; positions count from its first record, indices from the dataset's."""

    @property
    def records(self) -> int:
        """How many there are."""
        ...

    def rows(self, positions: range, indices: range) -> list[RequestRow]:
        """The rows at some positions."""
        ...


class Plan:
    """All rows of a request."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = [part for part in parts if part.records]
        self._starts = [0, *accumulate(part.records for part in self._parts)]

    def __len__(self) -> int:
        return self._starts[-1]

    def rows(self, start: int, stop: int) -> list[RequestRow]:
        """Rows of the records from index `start` to before `stop`."""
        found: list[RequestRow] = []
        while start < min(stop, len(self)):
            number = bisect_right(self._starts, start) - 1
            first, end = self._starts[number], min(stop, self._starts[number + 1])
            found += self._parts[number].rows(range(start - first, end - first), range(start, end))
            start = end
        return found


class Corpus:
    """Conditions of the real records of one split, their texts the corpus's own, composed from statements."""

    def __init__(self, data: Path, split: str, pseudonyms: Pseudonyms) -> None:
        """Read them.

        Raises:
            UserError: the split has no record.
        """
        records = read_columns(data / "corpus/records", COLUMNS).filter(pl.col("split") == split)
        if not len(records):
            raise UserError(f"corpus has no {split} record to take conditions from: check corpus.folds.")
        if any(map(pseudonyms.hides, records["record_id"])):
            # The draw is public: from the corpus's own order it would tell which record is behind which pseudonym.
            records = records.sort(pl.Series(map(pseudonyms.of, records["record_id"])))
        self.records, self._knowledge, self._pseudonyms = records, data / "knowledge", pseudonyms

    @property
    def statements(self) -> list[list[str]]:
        """What each record has."""
        return self.records["statements"].to_list()

    def rows(self, numbers: Sequence[int]) -> list[RequestRow]:
        """Rows with the conditions of some records."""
        chosen = self.records[list(numbers)]
        conditions = corpus_conditions(chosen, self._knowledge)
        return [
            corpus_row(exported(condition, self._pseudonyms), statements, self._pseudonyms.of(record_id))
            for condition, statements, record_id in zip(
                conditions, chosen["statements"].to_list(), chosen["record_id"], strict=True
            )
        ]


@dataclass(frozen=True)
class CorpusRows:
    """So many conditions of real records."""

    corpus: Corpus
    draw: Draw
    records: int

    def rows(self, positions: range, indices: range) -> list[RequestRow]:
        """See `Rows`."""
        return self.corpus.rows([self.draw(position) for position in positions])


@dataclass(frozen=True)
class FilledRows:
    """What fills classes up, see `fill_up`: conditions of real records, and prompts for classes that have none.

    Attributes:
        classes, numbers: of each row; prompts: of classes.
    """

    corpus: Corpus
    classes: NDArray[np.int32]
    numbers: NDArray[np.int32]
    prompts: Mapping[int, PromptRequest]
    ask: Callable[[PromptRequest], RequestRow]

    @property
    def records(self) -> int:
        """How many there are."""
        return len(self.numbers)

    def rows(self, positions: range, indices: range) -> list[RequestRow]:
        """See `Rows`."""
        numbers = self.numbers[positions.start : positions.stop].tolist()
        classes = self.classes[positions.start : positions.stop].tolist()
        like_real = iter(self.corpus.rows([number for number in numbers if number >= 0]))
        return [
            next(like_real) if number >= 0 else self.ask(self.prompts[of])
            for of, number in zip(classes, numbers, strict=True)
        ]


@dataclass(frozen=True)
class PromptRows:
    """So many prompts, each with the experience that similar training patients give.

    Attributes:
        prompt: of a position and an index.
    """

    prompt: Callable[[int, int], PromptRequest]
    ask: Callable[[PromptRequest], RequestRow]
    records: int

    def rows(self, positions: range, indices: range) -> list[RequestRow]:
        """See `Rows`."""
        return [self.ask(self.prompt(*place)) for place in zip(positions, indices, strict=True)]


class Planner:
    """Plans with the models' own corpus and knowledge below `data/`."""

    def __init__(self, data: Path, vocabulary: Vocabulary, pseudonyms: Pseudonyms, seed: int) -> None:
        self._data, self._vocabulary, self._pseudonyms, self._seed = data, vocabulary, pseudonyms, seed
        self._answer = lru_cache(ANSWERS_KEPT)(self._asked)

    @cached_property
    def _by_meaning(self) -> ExactIndex:
        return ExactIndex(open_store(self._data / "knowledge").distinct_texts)

    def cohort(self, split: str, records: int) -> Plan:
        """Conditions of the records of a split, each once before any comes twice."""
        corpus = Corpus(self._data, split, self._pseudonyms)
        rows = InRounds(np.arange(len(corpus.records)), self._seed, "request", split)
        return Plan([CorpusRows(corpus, rows, records)])

    def request(self, parts: Sequence[Part]) -> Plan:
        """The rows of a user's request.

        Raises:
            UserError: nothing is left to be made, or the corpus or the knowledge stage's out is missing.
        """
        plan = Plan([rows for part in parts for rows in self._rows(part)])
        if not len(plan):
            raise UserError("The request asks for no record: the corpus has as many of each class already.")
        return plan

    def ask(self, prompt: PromptRequest) -> RequestRow:
        """The row of a prompt. Texts are all compared by meaning, for the index is approximate.

        The rate asked for says who is similar only where nothing else does.
        """
        prompt = worded(prompt, self._vocabulary)
        left_out = dict.fromkeys(("axis", *Intervals._fields))
        asked = prompt.model_copy(update={**left_out, "records": 1})
        row = self._answer(asked.model_copy(update={"heart_rate": None}))
        if prompt.heart_rate is not None and not rests_on_likeness(row.condition.experience):
            row = self._answer(asked)
        rate = row.condition.heart_rate if prompt.heart_rate is None else prompt.heart_rate
        condition = replace(row.condition, heart_rate=rate, axis=prompt.axis)
        return replace(row, condition=condition, intervals=intervals_of(prompt))

    def _asked(self, prompt: PromptRequest) -> RequestRow:
        answer = ask_prompt(prompt, self._vocabulary, self._data / "knowledge", self._by_meaning, self._pseudonyms)
        return prompt_row(prompt, answer)

    def _rows(self, part: Part) -> list[Rows]:
        if isinstance(part, PromptRequest):
            return [PromptRows(lambda position, index: part, self.ask, part.records)]
        if isinstance(part, DrawnRequest):
            return [PromptRows(lambda position, index: drawn(part, self._seed, index), self.ask, part.records)]
        corpus = Corpus(self._data, "train", self._pseudonyms)
        if isinstance(part, LikeRequest):
            return [CorpusRows(corpus, LikeCorpus(statement_sets(corpus.statements), self._seed, "like"), part.records)]
        return self._filled(part, corpus)

    def _filled(self, part: FillRequest, corpus: Corpus) -> list[Rows]:
        codes = self._vocabulary.codes
        labels = statement_labels(corpus.statements, codes)
        wanted = {codes.index(code): count for code, count in part.fill.items() if code != UP_TO}
        if UP_TO in part.fill:
            wanted = dict.fromkeys(np.flatnonzero(labels.any(0)).tolist(), part.fill[UP_TO]) | wanted
        most = int(sum(max(0, count - int(labels[:, of].sum())) for of, count in wanted.items()))
        if most > MOST_FILLED:
            raise UserError(f"fill asks for {most:,} records: ask for at most {MOST_FILLED:,} by it.")
        classes, numbers = fill_up(labels, wanted, self._seed, "fill")
        prompts = {of: PromptRequest(statements=(codes[of],)) for of in np.unique(classes[numbers < 0]).tolist()}
        return [FilledRows(corpus, classes, numbers, prompts, self.ask)]


def drawn(request: DrawnRequest, seed: int, index: int) -> PromptRequest:
    """The prompt that a distribution gives at an index; ages in whole years, other numbers to one decimal."""
    rng = np.random.default_rng(seed_of("condition", seed, index))
    text = _choice(request.text, rng) if isinstance(request.text, dict) else request.text
    codes = request.statements
    age = _number(request.age, AGE, rng)
    sex = request.sex
    if isinstance(sex, dict):
        female = sex["female"] if "female" in sex else 1 - sex["male"]
        sex = "female" if rng.random() < female else "male"
    return PromptRequest(
        text=text,
        statements=tuple(_choice(codes, rng).split()) if isinstance(codes, dict) else codes,
        age=None if age is None else float(round(age)),
        sex=sex,
        heart_rate=_number(request.heart_rate, HEART_RATE, rng),
        axis=_number(request.axis, AXIS, rng),
        pr=_number(request.pr, PR, rng),
        qrs=_number(request.qrs, QRS, rng),
        qt=_number(request.qt, QT, rng),
    )


def _choice(shares: dict[str, float], rng: np.random.Generator) -> str:
    names, weights = list(shares), np.array(list(shares.values()))
    return names[int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))]


def _number(value: float | Spread | None, limits: tuple[float, float], rng: np.random.Generator) -> float | None:
    """One draw by the inverse of the distribution function, so that limits cut it without another draw."""
    if not isinstance(value, Spread):
        return value
    low = limits[0] if value.low is None else value.low
    high = limits[1] if value.high is None else value.high
    share = rng.random()
    if value.mean is None or value.sd is None:
        return round(low + share * (high - low), 1)
    normal = NormalDist(value.mean, value.sd)
    below, above = normal.cdf(low), normal.cdf(high)
    number = normal.inv_cdf(min(max(below + share * (above - below), 1e-12), 1 - 1e-12))
    return round(min(max(number, low), high), 1)
