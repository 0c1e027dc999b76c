"""The encoder stage: train the conditioner and the judge, each on its own half of the training patients."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Conditions, corpus_conditions, encode_conditions
from sediff.encoder.judge import Judge
from sediff.encoder.network import FEATURES, EcgNetwork
from sediff.encoder.params import ConditionerParams, EncoderParams, JudgeParams
from sediff.errors import UserError
from sediff.files import write_json
from sediff.knowledge.experience import value_count
from sediff.records import read_columns, read_signals
from sediff.seeds import seed_of
from sediff.training import Curves, Job, Schedule, Terms, train
from sediff.vocabulary import Vocabulary

TEMPERATURE = 0.07
MIN_TEST_CASES = 10


def train_encoder(
    params: EncoderParams,
    corpus: Path,
    knowledge: Path,
    vocabulary: Vocabulary,
    job: Job,
) -> str:
    """Write `conditioner.*` and `judge.*` into the job's `out`, metrics and curves into its `report`.

    Raises:
        UserError: too few training records for either half.
    """
    records = read_columns(corpus / "records")
    split = records["split"].to_numpy()
    signals = torch.from_numpy(independent_leads(read_signals(corpus / "records")))
    second_half = np.array([_in_judges_half(patient) for patient in records["patient_id"]])
    training = split == "train"
    for half, name in ((~second_half, "conditioner"), (second_half, "judge")):
        if (training & half).sum() < 2:
            raise UserError(f"corpus has too few training patients for the {name}: add records to the source.")
    conditions = corpus_conditions(records, knowledge)
    encoded = encode_conditions(conditions, vocabulary, params.conditioner.buckets)
    rows = {name: torch.from_numpy(np.flatnonzero(mask)) for name, mask in _masks(training, second_half, split).items()}
    conditioner, conditioner_curves = _train_conditioner(
        params.conditioner, encoded, signals, rows["conditioner"], vocabulary, job
    )
    labels = _labels(records["statements"].to_list(), vocabulary.codes)
    judge, judge_curves = _train_judge(params.judge, labels, signals, rows["judge"], vocabulary, job)
    conditioner.save(job.out)
    judge.save(job.out)
    write_json(job.report / "curves.json", {"conditioner": conditioner_curves, "judge": judge_curves})
    scores = _judge_scores(judge, signals, labels, vocabulary, rows["test"])
    metrics = {"judge": scores, "conditioner": {"contrastive_loss": conditioner_curves["loss"]["y"][-1]}}
    write_json(job.report / "metrics.json", metrics)
    auroc = scores.get("macro_auroc")
    told = (
        f"test macro-AUROC {auroc:.3f} over {scores['statements']} statements"
        if auroc
        else "too few test cases to score it"
    )
    return f"conditioner of {len(rows['conditioner'])} records; judge of {len(rows['judge'])} records, {told}"


def _in_judges_half(patient: str) -> bool:
    return hashlib.sha256(f"half/{patient}".encode()).digest()[0] % 2 == 1


def _masks(training: NDArray[np.bool_], second_half: NDArray[np.bool_], split: NDArray) -> dict[str, NDArray[np.bool_]]:
    return {"conditioner": training & ~second_half, "judge": training & second_half, "test": split == "test"}


def _labels(statements: list[list[str]], codes: tuple[str, ...]) -> Tensor:
    """Statements of each record as 0 or 1: (n, statements)."""
    position = {code: column for column, code in enumerate(codes)}
    labels = torch.zeros(len(statements), len(codes))
    for row, present in enumerate(statements):
        labels[row, [position[code] for code in present]] = 1
    return labels


class _Pair(nn.Module):
    """The conditioner, and what it is trained against."""

    def __init__(self, conditioner: Conditioner, ecg: EcgNetwork, projection: nn.Linear) -> None:
        super().__init__()
        self.conditioner, self.ecg, self.projection = conditioner, ecg, projection


def _train_conditioner(
    params: ConditionerParams,
    conditions: Conditions,
    signals: Tensor,
    rows: Tensor,
    vocabulary: Vocabulary,
    job: Job,
) -> tuple[Conditioner, Curves]:
    """Contrastive training: the pooled tokens of a condition against the features of its ECG (InfoNCE)."""
    torch.manual_seed(seed_of(job.seed, "conditioner"))
    conditioner = Conditioner(len(vocabulary.codes), value_count(len(vocabulary.codes)), params.width, params.buckets)
    pair = _Pair(conditioner, EcgNetwork(16), nn.Linear(params.width, FEATURES))

    def batch(index: Tensor) -> tuple[Conditions, Tensor]:
        return conditions.rows(rows[index]), signals[rows[index]]

    def loss(pair: _Pair, batch: tuple[Conditions, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        asked, x = batch
        pooled = pair.conditioner.pooled(asked.withheld(params.withheld, rng))
        text = nn.functional.normalize(pair.projection(pooled), dim=-1)
        ecg = nn.functional.normalize(pair.ecg(x.float() / 1000), dim=-1)
        scores = text @ ecg.T / TEMPERATURE
        target = torch.arange(len(scores), device=scores.device)
        both = nn.functional.cross_entropy(scores, target) + nn.functional.cross_entropy(scores.T, target)
        return both / 2, {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    curves = train(pair, batch, loss, len(rows), schedule, job, "conditioner").curves
    return conditioner.cpu().eval(), curves


def _train_judge(
    params: JudgeParams,
    labels: Tensor,
    signals: Tensor,
    rows: Tensor,
    vocabulary: Vocabulary,
    job: Job,
) -> tuple[Judge, Curves]:
    """Supervised training on the statements with enough cases in this half."""
    columns = torch.nonzero(labels[rows].sum(0) >= params.min_cases)[:, 0]
    if not len(columns):
        raise UserError(
            f"No statement has encoder.judge.min_cases = {params.min_cases} training cases: lower it or add records."
        )
    torch.manual_seed(seed_of(job.seed, "judge"))
    judge = Judge(tuple(vocabulary.codes[column] for column in columns), params.width)

    def batch(index: Tensor) -> tuple[Tensor, Tensor]:
        return signals[rows[index]], labels[rows[index]][:, columns]

    def loss(judge: Judge, batch: tuple[Tensor, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        x, targets = batch
        return nn.functional.binary_cross_entropy_with_logits(judge(x.float() / 1000), targets), {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    own = replace(job, seed=seed_of(job.seed, "judge's own seed"))
    curves = train(judge, batch, loss, len(rows), schedule, own, "judge").curves
    return judge.cpu().eval(), curves


def _judge_scores(judge: Judge, signals: Tensor, labels: Tensor, vocabulary: Vocabulary, test: Tensor) -> dict:
    """Macro-AUROC on test patients over statements with enough cases on both sides."""
    probabilities = judge.probabilities(to_millivolts(signals[test].numpy()))
    scores = {}
    for column, code in enumerate(judge.codes):
        truth = labels[test, vocabulary.codes.index(code)].numpy()
        if MIN_TEST_CASES <= truth.sum() <= len(truth) - MIN_TEST_CASES:
            scores[code] = round(float(roc_auc_score(truth, probabilities[:, column])), 4)
    macro = {"macro_auroc": round(float(np.mean(list(scores.values()))), 4)} if scores else {}
    return {"statements": len(scores), "auroc": scores, **macro}
