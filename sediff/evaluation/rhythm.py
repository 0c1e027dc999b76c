"""Rate and RMSSD / mean RR, as the detector reads them, against what was asked and against real records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.bootstrap import patient_draws
from sediff.evaluation.alone import beside_simulator
from sediff.evaluation.beside import known_interval, known_mean
from sediff.evaluation.evidence import MIN_CASES, Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SIMULATOR, SYNTHETIC, Floats
from sediff.evaluation.strata import FEW_PATIENTS, all_and_each_stratum, are_few
from sediff.simulator.rhythm import RHYTHMS, SINUS, rhythm_of


def heart_rate(evidence: Evidence) -> dict[str, Any]:
    """Rates against those asked: of all synthetic records, of each other set, of the simulator, and by rhythm."""
    asked = evidence.made.rows["heart_rate"].cast(pl.Float64).to_numpy()
    sinus = sinus_rows(evidence.made.rows["statements"].to_list())
    first, read = evidence.conditions.first, {**evidence.read, SIMULATOR: evidence.read_simulated}
    others = {
        name: compare_rates(asked[first], read[name].heart_rate, sinus[first])
        for name in (RECONSTRUCTED, REAL, SIMULATOR)
    }
    whole = compare_rates(asked, evidence.read_made.heart_rate, sinus)
    return {"heart_rate": {**whole, **others, **beside_simulator(_by_rhythm)(evidence)}}


def _by_rhythm(evidence: Evidence) -> dict[str, Any]:
    asked = evidence.sets[SYNTHETIC].rows["heart_rate"].cast(pl.Float64).to_numpy()
    draws, rng, measured = evidence.params.bootstraps, evidence.rng(140), evidence.values("heart_rate")
    return {"by_rhythm": rates_by_rhythm(asked, measured, evidence.strata, evidence.patients, draws, rng)}


def rhythm(evidence: Evidence) -> dict[str, Any]:
    """RMSSD / mean RR of synthetic and real records by rhythm."""
    return {
        "rhythm": compare_dispersion(
            evidence.read_made.dispersion,
            evidence.read[REAL].dispersion,
            evidence.made.rows["statements"].to_list(),
            evidence.statements,
            evidence.params.irregular,
            MIN_CASES,
        )
    }


def compare_rates(asked: NDArray[np.float64], measured: NDArray[np.float64], sinus: NDArray[np.bool_]) -> dict:
    """Mean absolute error in bpm, over all records and over sinus rhythms, and records the detector failed on.

    None where no record has a rate.

    Args:
        asked, measured: 60 / mean RR in bpm, (n,); a record in which no two beats are found has no rate.
    """
    error = np.abs(measured - asked)
    known = np.isfinite(error)
    return {
        "detector_failures": int(np.isnan(measured).sum()),
        **{
            name: float(error[rows].mean()) if rows.any() else None
            for name, rows in (("mae_bpm", known), ("mae_sinus_bpm", known & sinus))
        },
    }


def rates_by_rhythm(
    asked: Floats,
    measured: Mapping[str, Floats],
    strata: NDArray[np.str_],
    patients: NDArray,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """`rate_errors` of all records, and within each stratum, for which a rate was asked.

    Args:
        asked: bpm, (n,), NaN where none was; measured: of each set, bpm, (n,); strata, patients: of each row, (n,).
    """
    errors, wanted = {name: np.abs(of - asked) for name, of in measured.items()}, np.isfinite(asked)
    return {
        name: rate_errors(errors, among & wanted, patients, draws, rng) for name, among in all_and_each_stratum(strata)
    }


def rate_errors(
    errors: Mapping[str, Floats], among: NDArray[np.bool_], patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Mean absolute error in each set, bpm, with its interval over patients, and in how many records no rate is found.

    Args:
        errors: absolute, of each set, (n,), rows aligned; NaN where the detector finds no two beats.
        among: the rows that count, (n,); patients: of each row, (n,).
    """
    rows = np.flatnonzero(among)
    if any(are_few(patients[rows][np.isfinite(of[rows])].tolist()) for of in errors.values()):
        return {"left_out": FEW_PATIENTS}
    drawn = [rows[draw] for draw in patient_draws(patients[rows], draws, rng)]
    return {
        "records": len(rows),
        "detector_failures": {name: int(np.isnan(of[rows]).sum()) for name, of in errors.items()},
        **{
            name: {"mae_bpm": known_mean(of[rows]), **known_interval([known_mean(of[draw]) for draw in drawn])}
            for name, of in errors.items()
        },
    }


def compare_dispersion(
    synthetic: NDArray[np.float64],
    real: NDArray[np.float64],
    statements: Sequence[Sequence[str]],
    real_statements: Sequence[Sequence[str]],
    irregular: float,
    min_records: int,
) -> dict:
    """RMSSD / mean RR by rhythm, of synthetic records and of the real ones of the same conditions, each once.

    Wasserstein-1 is given beside that between random halves of the real records, at half the number.
    """
    rhythms, real_rhythms = (np.array([rhythm_of(codes) for codes in of]) for of in (statements, real_statements))
    result: dict[str, Any] = {}
    for rhythm in RHYTHMS:
        key = rhythm.replace(" ", "_")
        s = synthetic[(rhythms == rhythm) & np.isfinite(synthetic)]
        r = real[(real_rhythms == rhythm) & np.isfinite(real)]
        if min(len(s), len(r)) < min_records:
            result[key] = {"left_out": f"fewer than {min_records} records"}
            continue
        result[key] = {
            "records": len(s),
            "real_records": len(r),
            "median_synthetic": float(np.median(s)),
            "median_real": float(np.median(r)),
            "irregular_synthetic": float((s > irregular).mean()),
            "irregular_real": float((r > irregular).mean()),
            "wasserstein": float(wasserstein_distance(s, r)),
            "wasserstein_real_halves": float(wasserstein_distance(r[::2], r[1::2])),
        }
    return result


def sinus_rows(statements: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Which records are in sinus rhythm."""
    return np.array([rhythm_of(codes) == SINUS for codes in statements])
