"""The judges: trained on patients that the conditioner never sees, or taken as they were pinned, and scored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sediff.encoder.conditions import WORDINGS, Conditions, corpus_texts
from sediff.encoder.contrast import WaveformJudge, disturbed, halves
from sediff.encoder.data import EcgRecords, read_records
from sediff.encoder.judge import Judge, later
from sediff.encoder.loss import contrastive_loss
from sediff.encoder.params import EncoderParams, StatementJudgeParams, TextJudgeParams, WaveformJudgeParams
from sediff.encoder.patients import Training
from sediff.encoder.pinned import JUDGES, copy_pinned, judges_hash, load_judges
from sediff.encoder.scores import judge_scores
from sediff.encoder.text_ecg import TextJudge
from sediff.errors import UserError
from sediff.files import sha256_file, write_json
from sediff.seeds import seed_of
from sediff.training import Curves, Job, Schedule, Terms, train
from sediff.vocabulary import Vocabulary, statement_labels, statement_sets, superclass_labels


def train_judges(params: EncoderParams, corpus: Path, pinned: Path, vocabulary: Vocabulary, job: Job) -> str:
    """Write the three judges into the job's `out`, scores on held-out patients and curves into its `report`.

    Beside the judges stands whom they were trained on.

    Args:
        pinned: folder of the judges whose hash is `params.judges.pinned`.

    Raises:
        UserError: too few training records, or the pinned judges are missing, damaged or of another version.
    """
    records = read_records(corpus, "judges", params.judges_share)
    use_pinned = bool(params.judges.pinned) and not params.retrain
    if use_pinned:
        copy_pinned(pinned, params.judges.pinned, job.out)
        curves: dict[str, Curves] = {}
    else:
        curves = _train_all(params, records, vocabulary, job)
        patients = records.columns["patient_id"].gather(records.training.numpy())
        Training.of(corpus, params.judges_share, patients).write(job.out)
    write_json(job.report / "curves.json", curves)
    try:
        judges = load_judges(job.out)
    except UserError:
        if not use_pinned:
            raise
        raise UserError(
            f"The judges in {pinned}, which are pinned, are no networks of this version: set encoder.retrain, and then "
            "pin the new ones with `sediff pin-judges`."
        ) from None
    scores = judge_scores(*judges, records, vocabulary)
    for name in JUDGES:
        scores[name]["sha256"] = sha256_file(job.out / f"{name}.safetensors")
    hash_of_all = judges_hash(job.out)
    write_json(job.report / "metrics.json", {"pinned": int(use_pinned), "sha256": hash_of_all, **scores})
    auroc = scores["statement"].get("macro_auroc")
    told = f"test macro-AUROC {auroc:.3f}" if auroc else "too few test cases to score them"
    origin = "as pinned" if use_pinned else f"of {len(records.training)} records"
    return f"judges {hash_of_all[:12]} {origin}, {told}"


def _train_all(params: EncoderParams, records: EcgRecords, vocabulary: Vocabulary, job: Job) -> dict[str, Curves]:
    """Train and save each judge, with seeds of its own; gives the learning curves."""
    own = {name: replace(job, seed=seed_of(job.seed, "judge", name)) for name in JUDGES}
    return {
        "statement": _train_statement(params.judges.statement, records, vocabulary, own["statement"]),
        "waveform": _train_waveform(params.judges.waveform, records, own["waveform"]),
        "text": _train_text(params.judges.text, records, vocabulary, own["text"]),
    }


def _train_statement(params: StatementJudgeParams, records: EcgRecords, vocabulary: Vocabulary, job: Job) -> Curves:
    """Supervised, on the statements with enough training cases and on the superclasses."""
    rows = records.training
    statements = records.columns["statements"].to_list()
    labels = statement_labels(statements, vocabulary.codes)
    columns = np.flatnonzero(labels[rows.numpy()].sum(0) >= params.min_cases)
    if not len(columns):
        raise UserError(
            f"No statement has encoder.judges.statement.min_cases = {params.min_cases} training cases: lower it or "
            "add records."
        )
    targets = torch.from_numpy(np.hstack([labels[:, columns], superclass_labels(statements, vocabulary)])).float()
    torch.manual_seed(job.seed)
    judge = Judge([vocabulary.codes[column] for column in columns], params.width, params.dropout)

    def batch(index: Tensor) -> tuple[Tensor, Tensor]:
        return records.millivolts(rows[index]), targets[rows[index]]

    def loss(judge: Judge, batch: tuple[Tensor, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        x, wanted = batch
        logits = judge(later(x, rng)).float()
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted), {}

    schedule = Schedule(
        params.steps,
        min(params.batch_size, len(rows)),
        params.learning_rate,
        average=params.average,
        precision=params.precision,
    )
    trained = train(judge, batch, loss, len(rows), schedule, job, "statement-judge")
    trained.network.cpu().save(job.out)
    return trained.curves


def _train_waveform(params: WaveformJudgeParams, records: EcgRecords, job: Job) -> Curves:
    """Contrastive: the first half of a record against its last, each disturbed in its own way."""
    rows = records.training
    torch.manual_seed(job.seed)
    judge = WaveformJudge(params.width)

    def batch(index: Tensor) -> Tensor:
        return records.millivolts(rows[index])

    def loss(judge: WaveformJudge, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Terms]:
        first, last = (judge(disturbed(half, rng)) for half in halves(x))
        return contrastive_loss(first, last), {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    curves = train(judge, batch, loss, len(rows), schedule, job, "waveform-judge").curves
    judge.cpu().eval().save(job.out)
    return curves


def _train_text(params: TextJudgeParams, records: EcgRecords, vocabulary: Vocabulary, job: Job) -> Curves:
    """Contrastive: a text against ECGs; records of an equal statement set are all taken for partners."""
    rows = records.training
    columns = records.columns[rows.numpy()]
    sets = torch.from_numpy(statement_sets(columns["statements"].to_list()))
    torch.manual_seed(job.seed)
    judge = TextJudge(vocabulary.codes, params.width, params.text_width, params.buckets)
    composed, original = (judge.encode(corpus_texts(columns, wording), vocabulary) for wording in WORDINGS)

    def batch(index: Tensor) -> tuple[Conditions, Conditions, Tensor, Tensor]:
        return composed.rows(index), original.rows(index), records.millivolts(rows[index]), sets[index]

    def loss(
        judge: TextJudge, batch: tuple[Conditions, Conditions, Tensor, Tensor], rng: torch.Generator
    ) -> tuple[Tensor, Terms]:
        texts, in_own_words, x, of_set = batch
        texts = texts.reworded(in_own_words, params.originals, rng)
        words, ecgs = judge(texts, x)
        return contrastive_loss(words, ecgs, of_set[:, None] == of_set), {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    curves = train(judge, batch, loss, len(rows), schedule, job, "text-judge").curves
    judge.cpu().eval().save(job.out)
    return curves
