"""The augmentation stage: one small classifier of the superclasses, trained three times."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from sediff.augmentation.network import Classifier
from sediff.augmentation.params import AugmentationParams
from sediff.bootstrap import interval, patient_draws
from sediff.ecg import independent_leads
from sediff.files import write_json
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals
from sediff.seeds import seed_of
from sediff.training import Job, Schedule, Terms, train
from sediff.vocabulary import SUPERCLASSES, Vocabulary, superclass_labels

ARMS = ("real", "synthetic", "both")
BATCH = 256


def train_classifiers(
    params: AugmentationParams,
    corpus: Path,
    synthetic: Path,
    vocabulary: Vocabulary,
    pseudonyms: Pseudonyms,
    job: Job,
) -> str:
    """Write `predictions.parquet` (test record, arm, class, probability) and the metrics.

    Each arm starts from the same weights and takes the same number of steps. Of the real training records as many
    are used as there are synthetic ones, where there are enough.
    """
    columns = pseudonyms.rows(read_columns(corpus / "records"))
    signals = independent_leads(read_signals(corpus / "records"))
    split = columns["split"].to_numpy()
    real_labels = superclass_labels(columns["statements"].to_list(), vocabulary)
    made = read_columns(synthetic / "records")
    made_signals = independent_leads(read_signals(synthetic / "records"))
    made_labels = superclass_labels(made["statements"].to_list(), vocabulary)
    real_rows = np.random.default_rng([job.seed, 3]).permutation(np.flatnonzero(split == "train"))[: len(made)]
    test = np.flatnonzero(split == "test")
    classes = [
        column
        for column in range(len(SUPERCLASSES))
        if real_labels[real_rows, column].sum() >= params.min_cases
        and params.min_cases <= real_labels[test, column].sum() <= len(test) - params.min_cases
    ]
    if not classes:
        note = f"no superclass has augmentation.min_cases = {params.min_cases} cases in training and in test"
        write_json(job.report / "metrics.json", {"left_out": [note]})
        pl.DataFrame(schema={"record_id": pl.String, "arm": pl.String}).write_parquet(job.out / "predictions.parquet")
        return note
    x = np.concatenate([signals[real_rows], made_signals])
    y = np.concatenate([real_labels[real_rows], made_labels])[:, classes].astype(np.float32)
    of_arm = {
        "real": np.arange(len(real_rows)),
        "synthetic": np.arange(len(real_rows), len(x)),
        "both": np.arange(len(x)),
    }
    truth, patients = real_labels[test][:, classes], columns["patient_id"].to_numpy()[test]
    names: list[str] = [SUPERCLASSES[column] for column in classes]
    metrics: dict[str, Any] = {"real_records": len(real_rows), "synthetic_records": len(made), "classes": names}
    tables = []
    for arm in ARMS:
        network = _train(params, torch.from_numpy(x), torch.from_numpy(y), of_arm[arm], arm, job)
        probabilities = _predict(network, torch.from_numpy(signals[test]), job.device)
        metrics[arm] = _scores(truth, probabilities, patients, names, params.bootstraps, job.seed)
        tables.append(_predictions(columns["record_id"].to_numpy()[test], arm, names, probabilities))
    pl.concat(tables).write_parquet(job.out / "predictions.parquet")
    write_json(job.report / "metrics.json", metrics)
    scores = ", ".join(f"{arm} {metrics[arm]['macro_auroc']:.3f}" for arm in ARMS)
    return f"macro-AUROC on {len(test)} real test records after training on {scores}"


def _train(
    params: AugmentationParams,
    x: Tensor,
    y: Tensor,
    rows: NDArray[np.intp],
    arm: str,
    job: Job,
) -> nn.Module:
    torch.manual_seed(seed_of(job.seed, "classifier"))
    index_of = torch.from_numpy(rows)

    def batch(index: Tensor) -> tuple[Tensor, Tensor]:
        return x[index_of[index]], y[index_of[index]]

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        signals, labels = batch
        return nn.functional.binary_cross_entropy_with_logits(network(signals.float() / 1000), labels), {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    network = Classifier(y.shape[1], params.width)
    return train(network, batch, loss, len(rows), schedule, job, f"on {arm}").network


@torch.no_grad()
def _predict(network: nn.Module, x: Tensor, device: torch.device) -> NDArray[np.float64]:
    parts = [network(part.to(device).float() / 1000).sigmoid().cpu() for part in x.split(BATCH)]
    return torch.cat(parts).double().numpy()


def _scores(
    truth: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: NDArray,
    names: list[str],
    bootstraps: int,
    seed: int,
) -> dict[str, Any]:
    """AUROC by class, their mean, and its 95 % interval over draws of patients."""
    values = _aurocs(truth, probabilities)
    rng = np.random.default_rng([seed, 4])
    drawn = patient_draws(patients, bootstraps, rng)
    spread = interval([float(np.nanmean(_aurocs(truth[rows], probabilities[rows]))) for rows in drawn])
    return {
        "macro_auroc": round(float(np.mean(values)), 4),
        "low": round(spread["low"], 4),
        "high": round(spread["high"], 4),
        "auroc": {name: round(float(value), 4) for name, value in zip(names, values, strict=True)},
    }


def _aurocs(truth: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> list[float]:
    """AUROC of each class; NaN where a draw lacks one side."""
    return [
        float(roc_auc_score(truth[:, c], probabilities[:, c])) if 0 < truth[:, c].sum() < len(truth) else float("nan")
        for c in range(truth.shape[1])
    ]


def _predictions(ids: NDArray, arm: str, names: list[str], probabilities: NDArray[np.float64]) -> pl.DataFrame:
    columns = {name: probabilities[:, column].astype(np.float32) for column, name in enumerate(names)}
    # In the corpus's order, that of real ids, a row's place would tell whom a pseudonym stands for.
    return pl.DataFrame({"record_id": ids, "arm": [arm] * len(ids), **columns}).sort("record_id")
