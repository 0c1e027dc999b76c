"""The privacy audit: whether training records came out again, and whether it can be told who was trained on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.corpus.canaries import CANARY
from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder.embedding import EmbeddingAccess
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.exposure import Denoising, Folders, OwnFits
from sediff.evaluation.halves import REAL
from sediff.evaluation.privacy import Nearest, most_alike, nearest, planted_copies
from sediff.evaluation.strangers import STRANGERS, Candidates, attacks, of_rows, some_rows
from sediff.records import read_columns, read_signals
from sediff.training import Job

TRAINING_CONDITIONS = "training_conditions"
NEAR_COPIES = {  # keys of their counts
    "synthetic": "near_copies",
    TRAINING_CONDITIONS: f"near_copies_{TRAINING_CONDITIONS}",
    "held_out": "near_copies_held_out",
}
PLANTED = 50  # disguised copies that the search for near-copies must find


def asked_of_training(evidence: Evidence, synthetic: Path) -> NDArray[np.float32]:
    """Synthetic records of training records' own conditions, as many as are attacked at most: (n, 8, 1000) in mV.

    Whoever asks for what a training record was told to be comes nearest to it, if it can come out at all.
    """
    signals = read_signals(synthetic / "records")
    most = min(evidence.params.audit.records, len(signals))
    rows = np.sort(evidence.rng(12).choice(len(signals), most, replace=False))
    return to_millivolts(independent_leads(signals[rows]))


def nearest_training(evidence: Evidence, of_training: NDArray[np.float32]) -> dict[str, Nearest]:
    """The most alike training record of each synthetic and of each held-out record.

    Args:
        of_training: synthetic records of training records' conditions, (n, 8, 1000) in mV.
    """
    threshold = evidence.params.near_copy
    sides = {
        "synthetic": evidence.made.leads,
        TRAINING_CONDITIONS: of_training,
        "held_out": evidence.sets[REAL].leads,
    }
    return {name: nearest(leads, evidence.training, threshold) for name, leads in sides.items()}


def privacy(evidence: Evidence, copies: dict[str, Nearest]) -> dict[str, Any]:
    """Correlations with the nearest training records, near-copies, and the share of planted copies that is found."""
    threshold, values = evidence.params.near_copy, dict[str, Any]()
    for name, found in copies.items():
        values[f"correlation_{name}"] = float(np.median(found.correlation))
        values[f"highest_correlation_{name}"] = float(found.correlation.max())
    for name, key in NEAR_COPIES.items():
        values[key] = int((copies[name].correlation > threshold).sum())
    values[f"records_{TRAINING_CONDITIONS}"] = len(copies[TRAINING_CONDITIONS].rows)
    rows, signals = planted_copies(evidence.training, PLANTED, evidence.rng(5))
    found = nearest(signals, evidence.training, threshold)
    hits = (found.rows == rows) & (found.correlation > threshold)
    return {**values, "planted_copies": len(rows), "planted_copies_found": float(hits.mean())}


def canaries(evidence: Evidence, corpus: Path, of_training: NDArray[np.float32]) -> dict[str, Any]:
    """How near synthetic records come to recordings that run backwards, planted in training, and to ones that were not.

    No heart makes them: a synthetic record like a planted one is a copy of it.

    Args:
        of_training: synthetic records of training records' conditions, (n, 8, 1000) in mV.
    """
    made = np.concatenate([evidence.made.leads, of_training])
    columns, threshold = read_columns(corpus / "records"), evidence.params.near_copy
    planted = np.flatnonzero(columns["repairs"].list.contains(CANARY).to_numpy())
    if not len(planted):
        return {"canaries": {"left_out": "corpus.canaries plants none among so few patients"}}
    _, signals = of_rows(corpus, columns, planted)
    alike = most_alike(made, independent_leads(signals)).correlation
    found: dict[str, Any] = {
        "planted": len(planted),
        "came_out": int((alike > threshold).sum()),
        "highest": float(alike.max()),
    }
    others = some_rows(columns, STRANGERS, len(planted), evidence.rng(10))
    if not len(others):
        found["left_out"] = {"highest_not_planted": "corpus.audit withholds nobody"}
    else:
        _, signals = of_rows(corpus, columns, others)
        unplanted = independent_leads(signals)[..., ::-1]
        found["highest_not_planted"] = float(most_alike(made, unplanted).correlation.max())
    return {"canaries": found}


def membership(
    evidence: Evidence, corpus: Path, folders: Folders, own: OwnFits, access: EmbeddingAccess, job: Job, simulated: bool
) -> dict[str, Any]:
    """The attacks on who was trained on; none where too few patients were withheld from training.

    Args:
        simulated: whether all patients are.
    """
    candidates = Candidates.draw(corpus, evidence.params.audit.records, evidence.rng(7))
    fewest, least = min(candidates.members, len(candidates.rows) - candidates.members), evidence.params.min_records
    if fewest < least:
        note = f"fewer than evaluation.min_records = {least} members or strangers, whom corpus.audit withholds"
        return {name: {"left_out": note} for name in ("members", "strangers", "attacks", "membership", "attributes")}
    denoising = Denoising(folders, own, evidence.vocabulary, access, job.device)
    return attacks(evidence.params.audit, corpus, evidence.made, denoising, job, candidates, simulated)
