"""The headline figures by sex, age band, source, site, device and statement: a good average can hide bad parts."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.evaluation.distribution import coverage_density
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC
from sediff.evaluation.strata import FEW, MIN_RECORDS

AGE_BANDS = {"under_40": (0, 40), "40_to_60": (40, 60), "60_to_75": (60, 75), "over_75": (75, np.inf)}
UNKNOWN = "unknown"
Mask = NDArray[np.bool_]


def slices(evidence: Evidence) -> dict[str, Any]:
    """For each slice its number of records and what `headline` measures; too few are named in a note."""
    found: dict[str, Any] = {}
    for kind, of_kind in slices_of(evidence.sets[REAL].rows, evidence.statements).items():
        enough = {name: mask for name, mask in of_kind if mask.sum() >= MIN_RECORDS}
        few = [name for name, _ in of_kind if name not in enough]
        found[kind] = {name: headline(evidence, mask) for name, mask in enough.items()}
        if few:
            found[kind]["left_out"] = f"{FEW} of {', '.join(few)}"
    return {"slices": found}


def slices_of(rows: pl.DataFrame, statements: list[list[str]]) -> dict[str, list[tuple[str, Mask]]]:
    """Which records, (n,), are of each sex, age band, source, site, device and statement that occurs.

    Args:
        rows: of the corpus; statements: of each.
    """
    sex = rows["sex"].fill_null(UNKNOWN).to_numpy()
    age = rows["age"].cast(pl.Float64).to_numpy()
    bands = [(name, (age >= low) & (age < high)) for name, (low, high) in AGE_BANDS.items()]
    codes = sorted({code for row in statements for code in row})
    return {
        "sex": [(str(value), sex == value) for value in sorted(set(sex))],
        "age": [(name, mask) for name, mask in [*bands, (UNKNOWN, ~np.isfinite(age))] if mask.any()],
        **{kind: _named(rows[kind]) for kind in ("source", "site", "device")},
        "statement": [(code, np.array([code in row for row in statements])) for code in codes],
    }


def _named(values: pl.Series) -> list[tuple[str, Mask]]:
    """Which records have each value."""
    named = values.replace("", UNKNOWN).to_numpy()
    return [(str(value), named == value) for value in sorted(set(named))]


def headline(evidence: Evidence, mask: Mask) -> dict[str, Any]:
    """The headline figures of some rows, (n,); those of the autoencoder alone under "reconstructed".

    `mae_bpm`: of the heart rate against that asked; `deviation_ratio`: mean over the leads of the median deviation over
    real's; `beat_consistency`, `p_waves`, `qrs_duration`: mean difference from real (share, share, ms); `coverage`: of
    the real records in the judge's features, by the set's records of the same slice.
    """
    own, alone = (_figures(evidence, mask, name) for name in (SYNTHETIC, RECONSTRUCTED))
    return {"records": int(mask.sum()), **own, RECONSTRUCTED: alone}


def _figures(evidence: Evidence, mask: Mask, name: str) -> dict[str, float]:
    read, real = evidence.read[name], evidence.read[REAL]
    asked = evidence.sets[SYNTHETIC].rows["heart_rate"].cast(pl.Float64).to_numpy()
    leads, real_leads = (evidence.sets[of_set].leads[mask].std(-1) for of_set in (name, REAL))
    judge, neighbours = evidence.judges.statement.name, evidence.params.neighbours
    features, real_features = (evidence.sets[of_set].features[judge][mask] for of_set in (name, REAL))
    return {
        "mae_bpm": _mean(np.abs(read.heart_rate - asked)[mask]),
        "deviation_ratio": float(np.mean(np.median(leads, axis=0) / np.median(real_leads, axis=0))),
        "beat_consistency": _mean((read.consistency - real.consistency)[mask]),
        "p_waves": _mean((read.p_share - real.p_share)[mask]),
        "qrs_duration": _mean((read.qrs_duration - real.qrs_duration)[mask]),
        "coverage": coverage_density(real_features, features, neighbours)[0] if mask.sum() > neighbours else np.nan,
    }


def _mean(values: NDArray[np.float64]) -> float:
    """Of what is known; NaN, which is left out, where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
