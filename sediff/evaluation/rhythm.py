"""Rate and rhythm, measured by the detector that the corpus was read with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from sediff.beats import find_r_peaks, heart_rate, rmssd
from sediff.simulator.rhythm import SINUS, rhythm_of

BATCH = 512


def measure(signals: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heart rate in bpm and RMSSD / mean RR of records (n, leads, 1000) in mV; NaN where beats are too few."""
    peaks = [p for start in range(0, len(signals), BATCH) for p in find_r_peaks(signals[start : start + BATCH])]
    rates = np.array([heart_rate(p) for p in peaks])
    return rates, np.array([rmssd(p) for p in peaks]) * rates / 60_000


def compare_rates(asked: NDArray[np.float64], measured: NDArray[np.float64], sinus: NDArray[np.bool_]) -> dict:
    """Mean absolute error in bpm, over all records and over sinus rhythms, and beats the detector failed on."""
    error = np.abs(measured - asked)
    known = np.isfinite(error)
    values: dict[str, float] = {"detector_failures": int(np.isnan(measured).sum())}
    for name, rows in (("mae_bpm", known), ("mae_sinus_bpm", known & sinus)):
        if rows.any():
            values[name] = float(error[rows].mean())
    return values


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
    result = {}
    for rhythm in sorted(set(rhythms)):
        s = synthetic[(rhythms == rhythm) & np.isfinite(synthetic)]
        r = real[(real_rhythms == rhythm) & np.isfinite(real)]
        if min(len(s), len(r)) < min_records:
            continue
        result[rhythm] = {
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
