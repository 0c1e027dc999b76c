"""The endpoints of a cell: KID first, the rhythm's distance second, and what stands beside them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ablation.ask import Asked
from sediff.beats import find_r_peaks, heart_rate, rmssd
from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder.judge import Judge
from sediff.evaluation import agreement
from sediff.evaluation.dispersion import POOLED, dispersion_distances
from sediff.evaluation.distribution import deviation_ratios, distances
from sediff.evaluation.evidence import MIN_CASES
from sediff.evaluation.halves import REAL, SYNTHETIC
from sediff.evaluation.params import EvaluationParams
from sediff.evaluation.rhythm import compare_rates, sinus_rows
from sediff.evaluation.strata import strata_of
from sediff.vocabulary import statement_labels

BATCH = 512
Signals = NDArray[np.int16]


class Measuring:
    """The real records and what is read in them, once for all cells."""

    def __init__(self, asked: Asked, judges: Path, params: EvaluationParams, seed: int) -> None:
        self.asked, self.params, self.seed, self.judge = asked, params, seed, Judge.load(judges)
        self.real = to_millivolts(independent_leads(asked.signals))
        self.held_out = self.judge.features(to_millivolts(independent_leads(asked.held_out_signals)))
        self.statements = asked.real["statements"].to_list()
        self.truth = statement_labels(self.statements, self.judge.codes)
        _, self.real_dispersion = rates_and_dispersion(self.real)
        self.real_scores = self._scores(self.real)

    def __call__(self, signals: Signals) -> dict[str, Any]:
        """Figures of signals (n, 12, 1000) in µV, made of the conditions asked for; what cannot be told is left out.

        Random draws are the same for each set of signals, so cells are compared on the same halves of the patients.
        """
        made = to_millivolts(independent_leads(signals))
        rates, dispersion = rates_and_dispersion(made)
        patients = self.asked.real["patient_id"]
        found: dict[str, Any] = {"records": len(made)}
        found |= self._distribution(made, patients.to_list())
        values = {SYNTHETIC: dispersion, REAL: self.real_dispersion}
        rhythm = dispersion_distances(
            values, strata_of(self.statements), patients.to_numpy(), self.params.bootstraps, self._rng(1)
        )
        if pooled := rhythm.get(POOLED, {}).get("over_floor", {}).get(SYNTHETIC):
            found["rhythm_over_floor"] = pooled["mean"]
        wanted = self.asked.real["heart_rate"].cast(pl.Float64).to_numpy()
        found["heart_rate"] = compare_rates(wanted, rates, sinus_rows(self.statements))
        scores = self._scores(made)
        if scores and self.real_scores:
            found |= {"auroc": scores["auroc"], "auroc_real": self.real_scores["auroc"]}
        found["deviation"] = deviation_ratios(made, self.real)
        return found

    def _distribution(self, made: NDArray[np.float32], owners: list[str]) -> dict[str, Any]:
        """KID and FD in the features of judge (a), medians over draws, beside the floor at the same number."""
        values = distances(
            self.held_out,
            self.asked.held_out["patient_id"].to_list(),
            {SYNTHETIC: self.judge.features(made)},
            owners,
            self.params.neighbours,
            self.params.bootstraps,
            self._rng(0),
        )
        if not values:
            return {}
        of_set = {f"{metric}": values[SYNTHETIC][metric]["median"] for metric in ("kid", "fd", "coverage")}
        floor = {f"{metric}_floor": values["real"][metric]["median"] for metric in ("kid", "fd", "coverage")}
        return {"records_compared": values["records_compared"], **of_set, **floor}

    def _scores(self, leads: NDArray[np.float32]) -> dict[str, Any]:
        return agreement.scores(self.truth, self.judge.probabilities(leads), self.judge.codes, MIN_CASES)

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number])


def rates_and_dispersion(leads: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """60 / mean RR in bpm and RMSSD / mean RR of records (n, 8, 1000) in mV; NaN where beats are too few."""
    peaks = [p for start in range(0, len(leads), BATCH) for p in find_r_peaks(leads[start : start + BATCH])]
    rates = np.array([heart_rate(p) for p in peaks])
    return rates, np.array([rmssd(p) for p in peaks]) * rates / 60_000
