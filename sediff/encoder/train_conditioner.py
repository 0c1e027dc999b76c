"""The conditioner's training: contrastive, a condition against its ECG."""

from pathlib import Path

import torch
from torch import Tensor, nn

from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import WORDINGS, Conditions, corpus_conditions, encode_conditions
from sediff.encoder.data import read_records
from sediff.encoder.embedding import EmbeddingAccess, describe, open_embedding
from sediff.encoder.loss import contrastive_loss
from sediff.encoder.network import FEATURES, EcgNetwork
from sediff.encoder.params import EncoderParams
from sediff.files import write_json
from sediff.seeds import seed_of
from sediff.training import Job, Schedule, Terms, train
from sediff.vocabulary import Vocabulary

COUNTERPART_WIDTH = 16


class Pair(nn.Module):
    """The conditioner, and the ECG network that it is trained against and that nobody needs later."""

    def __init__(self, conditioner: Conditioner) -> None:
        super().__init__()
        self.conditioner = conditioner
        self.ecg = EcgNetwork(COUNTERPART_WIDTH)
        self.projection = nn.Linear(conditioner.config["width"], FEATURES)

    def forward(self, conditions: Conditions, x: Tensor) -> tuple[Tensor, Tensor]:
        """Conditions and signals (batch, 8, 1000) in mV in one space: twice (batch, 64)."""
        return self.projection(self.conditioner.pooled(conditions)), self.ecg(x)


def train_conditioner(
    params: EncoderParams, corpus: Path, knowledge: Path, vocabulary: Vocabulary, access: EmbeddingAccess, job: Job
) -> str:
    """Write `conditioner.*` into the job's `out`, metrics and curves into its `report`.

    Raises:
        UserError: too few training records, or the model of texts cannot be used.
    """
    own = params.conditioner
    records = read_records(corpus, "conditioner", params.judges_share)
    columns, rows = records.columns[records.training.numpy()], records.training
    embedding = open_embedding(own.text, own.model, access)
    composed, original = (
        encode_conditions(corpus_conditions(columns, knowledge, text), vocabulary, own.buckets, embedding)
        for text in WORDINGS
    )
    described = describe(own.text, own.model, embedding, composed.embedded.shape[-1])
    torch.manual_seed(seed_of(job.seed, "conditioner"))
    pair = Pair(Conditioner(len(vocabulary.codes), own.width, own.buckets, described))

    def batch(index: Tensor) -> tuple[Conditions, Conditions, Tensor]:
        return composed.rows(index), original.rows(index), records.millivolts(rows[index])

    def loss(pair: Pair, batch: tuple[Conditions, Conditions, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        asked, in_own_words, x = batch
        asked = asked.reworded(in_own_words, own.originals, rng).withheld(own.withheld, rng)
        return contrastive_loss(*pair(asked, x)), {}

    schedule = Schedule(own.steps, min(own.batch_size, len(rows)), own.learning_rate)
    curves = train(pair, batch, loss, len(rows), schedule, job, "conditioner").curves
    pair.conditioner.cpu().eval().save(job.out)
    write_json(job.report / "curves.json", {"conditioner": curves})
    final = curves["loss"]["y"][-1]
    write_json(job.report / "metrics.json", {"records": len(rows), "contrastive_loss": final})
    return f"conditioner of {len(rows)} records, contrastive loss {final:.3f}"
