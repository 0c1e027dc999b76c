"""Conditions as numbers: statements found in a text, hashed subwords, age, sex, rate, experience."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sediff.knowledge.experience import Experience, experience_values, read_experiences
from sediff.vocabulary import Vocabulary

MAX_STATEMENTS = 8
MAX_SUBWORDS = 48
PADDING = 0
CERTAINTIES = {"present": 1, "uncertain": 2}
SEXES = {"female": 1, "male": 2}


@dataclass(frozen=True)
class Condition:
    """What a record is asked for; None is not stated."""

    text: str
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    experience: Experience | None = None


@dataclass(frozen=True)
class Conditions:
    """A batch of conditions.

    Attributes:
        statements, certainties: (batch, 8), 0 is padding; statement k of the vocabulary is k + 1.
        subwords, experience_subwords: (batch, 48) rows of the hash table, 0 is padding.
        age, heart_rate: (batch,), years and bpm, NaN where not stated.
        sex: (batch,), 0 not stated, 1 female, 2 male.
        experience: (batch, values), the layout of `experience_values`; NaN rows where there is none.
    """

    statements: Tensor
    certainties: Tensor
    subwords: Tensor
    age: Tensor
    sex: Tensor
    heart_rate: Tensor
    experience_subwords: Tensor
    experience: Tensor

    def rows(self, index: Tensor) -> "Conditions":
        """Some of the conditions."""
        return Conditions(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.age)

    def withheld(self, share: float, rng: torch.Generator) -> "Conditions":
        """Leave age, sex, heart rate or experience out of a random share of rows, so each may be missing later."""
        age, sex, rate, experience = (torch.rand(4, len(self), generator=rng) < share).to(self.age.device)
        return replace(
            self,
            age=self.age.masked_fill(age, torch.nan),
            sex=self.sex.masked_fill(sex, 0),
            heart_rate=self.heart_rate.masked_fill(rate, torch.nan),
            experience_subwords=self.experience_subwords.masked_fill(experience[:, None], PADDING),
            experience=self.experience.masked_fill(experience[:, None], torch.nan),
        )

    def to(self, device: torch.device) -> "Conditions":
        """The same on another device."""
        return Conditions(*(getattr(self, field.name).to(device) for field in fields(self)))


def corpus_conditions(records: pl.DataFrame, knowledge: Path) -> list[Condition]:
    """The condition of each corpus record: its own text, age, sex and rate, and its experience."""
    columns = (records[name] for name in ("report", "age", "sex", "heart_rate"))
    experiences = read_experiences(knowledge, records["record_id"].to_list())
    return [Condition(*row) for row in zip(*columns, experiences, strict=True)]


def encode_conditions(conditions: Sequence[Condition], vocabulary: Vocabulary, buckets: int) -> Conditions:
    """Turn conditions into tensors; equal conditions give equal rows."""
    codes = {code: position + 1 for position, code in enumerate(vocabulary.codes)}
    found = [_statements(condition.text, vocabulary, codes) for condition in conditions]
    experiences = [condition.experience for condition in conditions]
    return Conditions(
        statements=torch.tensor([[code for code, _ in row] for row in found]),
        certainties=torch.tensor([[certainty for _, certainty in row] for row in found]),
        subwords=torch.tensor([subwords(condition.text, buckets) for condition in conditions]),
        age=_numbers([condition.age for condition in conditions]),
        sex=torch.tensor([SEXES.get(condition.sex or "", 0) for condition in conditions]),
        heart_rate=_numbers([condition.heart_rate for condition in conditions]),
        experience_subwords=torch.tensor([subwords(e.text if e else "", buckets) for e in experiences]),
        experience=torch.from_numpy(
            np.stack([experience_values(e, len(vocabulary.codes)) for e in experiences]).astype(np.float32)
        ),
    )


def _numbers(values: Sequence[float | None]) -> Tensor:
    """(batch,), NaN where there is none."""
    return torch.tensor([np.nan if value is None else value for value in values], dtype=torch.float32)


def _statements(text: str, vocabulary: Vocabulary, codes: dict[str, int]) -> list[tuple[int, int]]:
    found: dict[int, int] = {}
    for finding in vocabulary.find(text):
        if finding.certainty in CERTAINTIES:
            found.setdefault(codes[finding.code], CERTAINTIES[finding.certainty])
    rows = sorted(found.items())[:MAX_STATEMENTS]
    return rows + [(PADDING, PADDING)] * (MAX_STATEMENTS - len(rows))


def subwords(text: str, buckets: int) -> list[int]:
    """Rows of the hash table for a text's words and their trigrams, as many as fit, padded with 0."""
    rows = []
    for word in re.findall(r"\w+", text.lower()):
        marked = f"<{word}>"
        pieces = [marked, *(marked[i : i + 4] for i in range(len(marked) - 3))] if len(marked) > 5 else [marked]
        rows += [1 + crc32(piece.encode()) % (buckets - 1) for piece in pieces]
    rows = list(dict.fromkeys(rows))[:MAX_SUBWORDS]
    return rows + [PADDING] * (MAX_SUBWORDS - len(rows))
