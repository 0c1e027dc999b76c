"""A small corpus that can be learned, and its stage run on it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sediff.encoder.embedding import EmbeddingAccess
from sediff.encoder.params import (
    ConditionerParams,
    EncoderParams,
    JudgesParams,
    StatementJudgeParams,
    TextJudgeParams,
    WaveformJudgeParams,
)
from sediff.encoder.train_conditioner import train_conditioner
from sediff.encoder.train_judges import train_judges
from sediff.training import Job
from tests.learnable import write_experiences, write_records

LABELS = np.arange(240) // 8 % 2
PARAMS = EncoderParams(
    conditioner=ConditionerParams(width=16, buckets=64, steps=3, batch_size=16),
    judges=JudgesParams(
        statement=StatementJudgeParams(width=8, steps=45, batch_size=32, learning_rate=1e-2, min_cases=5),
        waveform=WaveformJudgeParams(width=8, steps=20, batch_size=32, learning_rate=1e-2),
        text=TextJudgeParams(width=8, text_width=16, buckets=64, steps=20, batch_size=32, learning_rate=1e-2),
    ),
)


def judges_params(pinned: str = "", min_cases: int = 5, **changes: Any) -> EncoderParams:
    """`PARAMS` with another pin, another number of cases, or other keys of the stage."""
    statement = PARAMS.judges.statement.model_copy(update={"min_cases": min_cases})
    judges = PARAMS.judges.model_copy(update={"pinned": pinned, "statement": statement})
    return PARAMS.model_copy(update={"judges": judges, **changes})


@dataclass(frozen=True)
class Stage:
    """Where the stage reads and writes."""

    folder: Path
    vocabulary: Any

    @property
    def pinned(self) -> Path:
        return self.folder / "judges"

    def job(self, name: str) -> Job:
        base = self.folder / name
        for part in ("out", "report", "work"):
            (base / part).mkdir(parents=True)
        return Job(base / "out", base / "report", base / "work", 0, torch.device("cpu"))

    def train_judges(self, name: str, params: EncoderParams = PARAMS, corpus: str = "corpus") -> dict[str, Any]:
        """Its metrics; the judges are in `<name>/out`."""
        train_judges(params, self.folder / corpus, self.pinned, self.vocabulary, self.job(name))
        return json.loads((self.folder / name / "report/metrics.json").read_text())

    def train_conditioner(
        self, name: str, params: EncoderParams = PARAMS, access: EmbeddingAccess | None = None
    ) -> dict[str, Any]:
        """Its metrics; the conditioner is in `<name>/out`."""
        corpus, knowledge = self.folder / "corpus", self.folder / "knowledge"
        train_conditioner(params, corpus, knowledge, self.vocabulary, access or EmbeddingAccess(), self.job(name))
        return json.loads((self.folder / name / "report/metrics.json").read_text())


@pytest.fixture
def stage(vocabulary, tmp_path) -> Stage:
    write_records(tmp_path / "corpus", LABELS)
    write_experiences(tmp_path / "knowledge", len(LABELS), len(vocabulary.codes))
    return Stage(tmp_path, vocabulary)
