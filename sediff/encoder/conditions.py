"""Conditions as numbers: statements found in a text, its segments, age, sex, rate, axis, experience."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.encoder.segments import MAX_SEGMENTS, segments
from sediff.knowledge.experience import Experience, experience_values, read_experiences
from sediff.vocabulary import Vocabulary

MAX_STATEMENTS = 8
MAX_SUBWORDS = 48  # of a segment
REPORT_SUBWORDS = 224  # of an experience's report, whose last sentence counts as its first
PADDING = 0
CERTAINTIES = {"present": 1, "uncertain": 2}
SEXES = {"female": 1, "male": 2}
WORDINGS = ("report", "original_report")  # columns of the corpus: composed by the vocabulary, and the source's own


class TextEmbedding(Protocol):
    """Texts to vectors (texts, dimensions), float32; the same text gives the same vector, and an empty one zeros.

    Attributes:
        identity: what the vectors depend on beside the text.
    """

    identity: str

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts."""
        ...


@dataclass(frozen=True)
class Condition:
    """What a record is asked for; None is not stated. Age in years, heart rate in bpm, axis of QRS in degrees."""

    text: str
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    experience: Experience | None = None
    axis: float | None = None


@dataclass(frozen=True)
class Conditions:
    """A batch of conditions.

    Attributes:
        statements, certainties: (batch, 8), 0 is padding; statement k of the vocabulary, or of the codes of who
            reads them, is k + 1.
        segments: (batch, 6, 48) rows of the hash table for each segment of the text, 0 is padding.
        embedded: (batch, 6, dimensions) the segments as a model of texts embeds them, 0 is padding; dimensions is 0
            where none does. In half precision, for it is the largest part.
        age, heart_rate, axis: (batch,), years, bpm and degrees, NaN where not stated.
        sex: (batch,), 0 not stated, 1 female, 2 male.
        experience_subwords: (batch, 224) rows of the hash table for the text of the experience.
        experience: (batch, values), the layout of `experience_values`; NaN rows where there is none.
    """

    statements: Tensor
    certainties: Tensor
    segments: Tensor
    embedded: Tensor
    age: Tensor
    sex: Tensor
    heart_rate: Tensor
    axis: Tensor
    experience_subwords: Tensor
    experience: Tensor

    def rows(self, index: Tensor) -> "Conditions":
        """Some of the conditions."""
        return Conditions(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.age)

    def withheld(self, share: float, rng: torch.Generator) -> "Conditions":
        """Leave age, sex, rate, axis or experience out of a random share of rows, so each may be missing later."""
        left_out = (torch.rand(5, len(self), generator=rng) < share).to(self.age.device)
        age, sex, rate, axis, experience = left_out
        return replace(
            self,
            age=self.age.masked_fill(age, torch.nan),
            sex=self.sex.masked_fill(sex, 0),
            heart_rate=self.heart_rate.masked_fill(rate, torch.nan),
            axis=self.axis.masked_fill(axis, torch.nan),
            experience_subwords=self.experience_subwords.masked_fill(experience[:, None], PADDING),
            experience=self.experience.masked_fill(experience[:, None], torch.nan),
        )

    def reworded(self, other: "Conditions", share: float, rng: torch.Generator) -> "Conditions":
        """Take the text of a random share of rows from `other`, the same conditions in other words."""
        chosen = (torch.rand(len(self), generator=rng) < share).to(self.age.device)

        def mixed(name: str) -> Tensor:
            mine, others = getattr(self, name), getattr(other, name)
            return torch.where(chosen.view(-1, *[1] * (mine.ndim - 1)), others, mine)

        text = ("statements", "certainties", "segments", "embedded")
        return replace(self, **{name: mixed(name) for name in text})

    def to(self, device: torch.device) -> "Conditions":
        """The same on another device."""
        return Conditions(*(getattr(self, field.name).to(device) for field in fields(self)))


def corpus_conditions(records: pl.DataFrame, knowledge: Path, wording: str = "report") -> list[Condition]:
    """The condition of each corpus record: its own text, age, sex, rate and axis, and its experience.

    Args:
        wording: the column of the text, one of `WORDINGS`.
    """
    texts = corpus_texts(records, wording)
    columns = (records[name] for name in ("age", "sex", "heart_rate"))
    experiences = read_experiences(knowledge, records["record_id"].to_list())
    return [Condition(*row) for row in zip(texts, *columns, experiences, records["axis"], strict=True)]


def corpus_texts(records: pl.DataFrame, wording: str) -> list[str]:
    """The text of each corpus record in one of the `WORDINGS`; the composed one where that is empty."""
    return [own or composed for own, composed in zip(records[wording], records["report"], strict=True)]


def encode_conditions(
    conditions: Sequence[Condition],
    vocabulary: Vocabulary,
    buckets: int,
    embedding: TextEmbedding | None = None,
    codes: Sequence[str] | None = None,
) -> Conditions:
    """Turn conditions into tensors; equal conditions give equal rows.

    Args:
        buckets: rows of the hash table.
        embedding: embeds the segments too.
        codes: statements by their position, others are left out; None: the vocabulary's.
    """
    positions = {code: position + 1 for position, code in enumerate(vocabulary.codes if codes is None else codes)}
    found = [_statements(condition.text, vocabulary, positions) for condition in conditions]
    parts = [segments(condition.text) for condition in conditions]
    experiences = [condition.experience for condition in conditions]
    return Conditions(
        statements=torch.tensor([[code for code, _ in row] for row in found]),
        certainties=torch.tensor([[certainty for _, certainty in row] for row in found]),
        segments=_hashed(parts, buckets),
        embedded=_embedded(parts, embedding),
        age=_numbers([condition.age for condition in conditions]),
        sex=torch.tensor([SEXES.get(condition.sex or "", 0) for condition in conditions]),
        heart_rate=_numbers([condition.heart_rate for condition in conditions]),
        axis=_numbers([condition.axis for condition in conditions]),
        experience_subwords=torch.tensor(
            [subwords(e.report.text if e else "", buckets, REPORT_SUBWORDS) for e in experiences], dtype=torch.int32
        ),
        experience=torch.from_numpy(
            np.stack([experience_values(e, len(vocabulary.codes)) for e in experiences]).astype(np.float32)
        ),
    )


def _numbers(values: Sequence[float | None]) -> Tensor:
    """(batch,), NaN where there is none."""
    return torch.tensor([np.nan if value is None else value for value in values], dtype=torch.float32)


def _statements(text: str, vocabulary: Vocabulary, positions: dict[str, int]) -> list[tuple[int, int]]:
    found: dict[int, int] = {}
    for finding in vocabulary.find(text):
        if finding.certainty in CERTAINTIES and finding.code in positions:
            found.setdefault(positions[finding.code], CERTAINTIES[finding.certainty])
    rows = sorted(found.items())[:MAX_STATEMENTS]
    return rows + [(PADDING, PADDING)] * (MAX_STATEMENTS - len(rows))


def _hashed(parts: Sequence[Sequence[str]], buckets: int) -> Tensor:
    """Segments as rows of the hash table: (batch, 6, 48)."""
    rows = {segment: torch.tensor(subwords(segment, buckets)) for segment in _unique(parts)}
    table = torch.full((len(parts), MAX_SEGMENTS, MAX_SUBWORDS), PADDING, dtype=torch.int32)
    for row, part in enumerate(parts):
        for position, segment in enumerate(part):
            table[row, position] = rows[segment]
    return table


def _embedded(parts: Sequence[Sequence[str]], embedding: TextEmbedding | None) -> Tensor:
    """Segments as a model embeds them: (batch, 6, dimensions); each segment is asked for once."""
    if embedding is None:
        return torch.zeros(len(parts), MAX_SEGMENTS, 0, dtype=torch.float16)
    unique = _unique(parts)
    vectors = torch.from_numpy(embedding(unique)).half()
    position = {segment: row for row, segment in enumerate(unique)}
    table = torch.zeros(len(parts), MAX_SEGMENTS, vectors.shape[1], dtype=torch.float16)
    for row, part in enumerate(parts):
        if part:
            table[row, : len(part)] = vectors[[position[segment] for segment in part]]
    return table


def _unique(parts: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(segment for part in parts for segment in part))


def subwords(text: str, buckets: int, most: int = MAX_SUBWORDS) -> list[int]:
    """Rows of the hash table for a text's words and their parts of 4 letters, each once, padded with 0 to `most`."""
    rows = [row for word in re.findall(r"\w+", text.lower()) for row in _rows(word, buckets)]
    rows = list(dict.fromkeys(rows))[:most]
    return rows + [PADDING] * (most - len(rows))


@lru_cache(1 << 16)  # reports say the same words again and again
def _rows(word: str, buckets: int) -> tuple[int, ...]:
    """Rows of the hash table for a word and its parts of 4 letters."""
    marked = f"<{word}>"
    pieces = [marked, *(marked[i : i + 4] for i in range(len(marked) - 3))] if len(marked) > 5 else [marked]
    return tuple(1 + crc32(piece.encode()) % (buckets - 1) for piece in pieces)
