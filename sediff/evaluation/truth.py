"""On the virtual cohort: what is measured in the records, against what the cohort's patients were simulated with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws
from sediff.ecg import LEADS
from sediff.errors import UserError
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, Floats, known
from sediff.evaluation.strata import ALL, FEW, MIN_RECORDS
from sediff.sources import VIRTUAL

# Readings, and the column of the truth that each measures: bpm, ms, mV.
MEASURED = {"heart_rate": "heart_rate", "pr": "pr", "qrs_duration": "qrs", "qt": "qt", "r_v5": "r_v5"}


def against_truth(evidence: Evidence, truth: pl.DataFrame) -> dict[str, Any]:
    """`biases` of each quantity, by the condition that the patients were simulated with and over all.

    Args:
        truth: of the cohort's recordings, as `sediff.cohort.simulate.true_values` gives it.

    Raises:
        UserError: a record is not of this cohort.
    """
    of_rows = truth_of(evidence.sets[REAL].rows["record_id"].to_list(), truth)
    readings = {name: evidence.values(name) for name in MEASURED if name != "r_v5"}
    r_peaks = evidence.values("r_amplitudes")
    readings["r_v5"] = {of_set: of[:, LEADS.index("V5")] for of_set, of in r_peaks.items()}
    conditions = of_rows["condition"].to_numpy()
    classes = {ALL: np.ones(len(conditions), bool)}
    classes |= {str(name).replace(" ", "_"): conditions == name for name in sorted(set(conditions))}
    draws, rng = evidence.params.bootstraps, evidence.rng(130)
    found: dict[str, dict[str, Any]] = {name: {} for name in classes}
    for quantity, column in MEASURED.items():
        true = of_rows[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for name, among in classes.items():
            found[name][quantity] = biases(readings[quantity], true, among, evidence.patients, draws, rng)
    return {"known_truth": found}


def truth_of(records: list[str], truth: pl.DataFrame) -> pl.DataFrame:
    """Rows of the truth in the order of records, named as the corpus names them.

    Raises:
        UserError: one has none.
    """
    names = truth.with_columns(record_id=pl.format("{}/{}", pl.lit(VIRTUAL), pl.col("ecg_id").cast(str).str.zfill(5)))
    found = pl.DataFrame({"record_id": records}).join(names, on="record_id", how="left", maintain_order="left")
    missing = found.filter(pl.col("condition").is_null())["record_id"]
    if len(missing):
        raise UserError(f"{missing[0]} is not of the cohort that params.yaml describes: use `sediff run`.")
    return found


def biases(
    measured: Mapping[str, Floats],
    true: Floats,
    among: NDArray[np.bool_],
    patients: NDArray,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Mean of the truth, and mean error of each set with its interval; real's is the error of measuring itself.

    Only records count that have the quantity in truth and in every set, as those without P waves have no PR.

    Args:
        measured: of each set, (n,); true: of the recording whose condition each row has, (n,); patients: (n,).
        among: which rows.
    """
    rows = np.flatnonzero(known(measured) & np.isfinite(true) & among)
    if len(rows) < MIN_RECORDS:
        return {"left_out": FEW}
    errors = {name: of[rows] - true[rows] for name, of in measured.items()}
    drawn = list(patient_draws(patients[rows], draws, rng))
    return {
        "records": len(rows),
        "truth": float(true[rows].mean()),
        **{
            name: {"bias": float(of.mean()), **interval([float(of[draw].mean()) for draw in drawn])}
            for name, of in errors.items()
        },
    }
