"""Members and strangers: training records, and those of the training folds that nothing was trained on."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.corpus.canaries import CANARY
from sediff.ecg import independent_leads
from sediff.evaluation.attributes import attributes
from sediff.evaluation.compared import Records
from sediff.evaluation.exposure import Denoising, calibrated
from sediff.evaluation.membership import Attack, Scored, attack, is_proven, worst
from sediff.evaluation.params import AuditParams
from sediff.evaluation.privacy import correlations
from sediff.records import read_columns, read_signals
from sediff.training import Job

MEMBERS, STRANGERS, OTHERS = "train", "audit", "validation"  # splits
MEMBERS_FOR_EACH = 2  # stranger: a verdict rests on
Signals = NDArray[np.int16]


@dataclass(frozen=True)
class Candidates:
    """Records that are attacked: members first, then strangers.

    Attributes:
        rows: of the corpus; signals: of them, (n, 12, 1000), µV.
        members: how many of the first are members.
    """

    rows: pl.DataFrame
    signals: Signals
    members: int

    @classmethod
    def draw(cls, corpus: Path, records: int, rng: np.random.Generator) -> "Candidates":
        """As many of each as are asked for, or all that there are; no canaries, which strangers have none of."""
        columns = read_columns(corpus / "records")
        of_hearts = ~columns["repairs"].list.contains(CANARY).to_numpy()
        parts = [some_rows(columns, split, records, rng, of_hearts) for split in (MEMBERS, STRANGERS)]
        read = [of_rows(corpus, columns, part) for part in parts]
        rows, signals = pl.concat([rows for rows, _ in read]), np.concatenate([signals for _, signals in read])
        return cls(rows, signals, len(parts[0]))

    def scored(self, scores: NDArray[np.float64], known: NDArray[np.bool_] | None = None) -> Scored:
        """Scores of the records, or of some of them, by side."""
        known = np.ones(len(scores), bool) if known is None else known
        patients, is_member = self.rows["patient_id"].to_numpy(), np.arange(len(scores)) < self.members
        sides = (known & is_member, known & ~is_member)
        return Scored(*(scores[side] for side in sides), *(patients[side] for side in sides))


def some_rows(
    columns: pl.DataFrame, split: str, most: int, rng: np.random.Generator, among: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Rows of a split, drawn, in the corpus's order.

    Args:
        among: of each row, whether it may be drawn; all may where it is not given.
    """
    chosen = (columns["split"] == split).to_numpy()
    return np.sort(rng.permutation(np.flatnonzero(chosen if among is None else chosen & among))[:most])


def of_rows(corpus: Path, columns: pl.DataFrame, rows: NDArray[np.intp]) -> tuple[pl.DataFrame, Signals]:
    """The records at sorted rows of the corpus, and their signals."""
    chosen = np.zeros(len(columns), bool)
    chosen[rows] = True
    return columns[rows], read_signals(corpus / "records", chosen)


def attacks(
    params: AuditParams,
    corpus: Path,
    made: Records,
    denoising: Denoising,
    job: Job,
    candidates: Candidates,
    simulated: bool = False,
) -> dict[str, Any]:
    """What each attack tells, and the worst of them where there are enough of both for a verdict, or one is proven.

    Args:
        made: synthetic records.
        simulated: whether all patients are, so that a leak which is proven on few of them harms nobody.
    """
    rng = np.random.default_rng([job.seed, 8])
    alike = correlations(independent_leads(candidates.signals), made.leads)
    nearest = alike.max(1).astype(np.float64)
    scores = {"distance": nearest, **loss_scores(params, corpus, denoising, job, candidates)}
    found = {name: attack(candidates.scored(values), params.bootstraps, rng) for name, values in scores.items()}
    strangers = len(candidates.rows) - candidates.members
    metrics: dict[str, Any] = {"members": candidates.members, "strangers": strangers, "attacks": found}
    metrics["membership"] = verdict(params, candidates.members, strangers, found.values(), simulated)
    told = (candidates.rows, candidates.members, made.rows, alike, denoising.vocabulary, params.bootstraps, rng)
    metrics["attributes"] = attributes(*told)
    return metrics


def verdict(
    params: AuditParams, members: int, strangers: int, attacks: Collection[Attack], simulated: bool
) -> dict[str, Any]:
    """The worst of the attacks, where there are enough of both, or where a leak is proven of people; else a note."""
    enough = strangers >= params.decisive and members >= MEMBERS_FOR_EACH * params.decisive
    if enough or (is_proven(attacks) and not simulated):
        return worst(attacks)
    return {
        "left_out": f"fewer than evaluation.audit.decisive = {params.decisive} strangers and {MEMBERS_FOR_EACH} times "
        "as many members, too few for a verdict"
    }


def loss_scores(
    params: AuditParams, corpus: Path, denoising: Denoising, job: Job, candidates: Candidates
) -> dict[str, NDArray[np.float64]]:
    """Scores by the denoiser's own loss: as it is, and calibrated by a reference."""
    data = denoising.data(candidates.rows, candidates.signals)
    own = denoising.losses(denoising.denoiser, data, params.draws, job.seed)
    scores = {"loss": -np.log(own).mean(1)}
    if params.reference_steps:
        columns, most = read_columns(corpus / "records"), params.reference_steps * params.batch_size
        rows = some_rows(columns, OTHERS, most, np.random.default_rng([job.seed, 9]))
        if len(rows):
            reference = denoising.reference(params, denoising.data(*of_rows(corpus, columns, rows)), job)
            scores["calibrated_loss"] = calibrated(own, denoising.losses(reference, data, params.draws, job.seed))
    return scores
