"""Effects that real ECGs show, synthetic over real: QT with RR, sex and age in intervals and voltages."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws
from sediff.ecg import LEADS
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, Floats, known
from sediff.evaluation.rhythm import sinus_rows

MIN_SIDE = 20  # records on each side of a difference, or twice as many of a slope
FEW = f"fewer than {MIN_SIDE} records on one side"


def slope(x: Floats, y: Floats) -> float:
    """Least-squares slope of y on x, both (n,); NaN where x does not vary."""
    centred = x - x.mean()
    square = float((centred**2).sum())
    return float((centred * y).sum() / square) if square > 0 else float("nan")


def effects(evidence: Evidence) -> dict[str, Any]:
    """Each effect in sinus rhythm in each set that is read, and over real's.

    `qt_on_rr`: ms for each second of RR, of the record's own beats; `women_*`: women's mean minus men's, ms or mV;
    `*_on_age`: change in ten years, degrees or mV.
    """
    rows, sinus = evidence.sets[REAL].rows, sinus_rows(evidence.statements)
    sex = rows["sex"].fill_null("").to_numpy()
    women = np.where(sex == "female", 1.0, np.where(sex == "male", 0.0, np.nan))
    decades = rows["age"].cast(pl.Float64).to_numpy() / 10
    rr = {name: 60 / of for name, of in evidence.values("heart_rate").items()}
    r_v5 = {name: of[:, LEADS.index("V5")] for name, of in evidence.values("r_amplitudes").items()}
    plans: dict[str, tuple[Mapping[str, Floats], Mapping[str, Floats]]] = {
        "qt_on_rr": (rr, evidence.values("qt")),
        "women_qtcf": (dict.fromkeys(evidence.read, women), evidence.values("qtcf")),
        "women_qrs_duration": (dict.fromkeys(evidence.read, women), evidence.values("qrs_duration")),
        "women_r_v5": (dict.fromkeys(evidence.read, women), r_v5),
        "axis_on_age": (dict.fromkeys(evidence.read, decades), evidence.values("axis")),
        "r_v5_on_age": (dict.fromkeys(evidence.read, decades), r_v5),
    }
    rng, draws = evidence.rng(60), evidence.params.bootstraps
    return {"effects": {name: effect(x, y, sinus, evidence.patients, draws, rng) for name, (x, y) in plans.items()}}


def effect(
    x: Mapping[str, Floats],
    y: Mapping[str, Floats],
    among: NDArray[np.bool_],
    patients: NDArray,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Slope of y on x in each set with its bootstrap interval, and over real's where that is not near zero.

    Of an x that is 0 or 1 the slope is the difference of the means.

    Args:
        x, y: of each set, (n,), rows aligned; NaN where not known: such rows are left out in all sets.
        among: the rows that count, (n,); patients: of each row, (n,).
    """
    rows = np.flatnonzero(known(x) & known(y) & among)
    values, counts = np.unique(x[REAL][rows], return_counts=True)
    smallest = int(counts.min()) if len(values) == 2 else len(rows) // 2
    if len(values) < 2 or smallest < MIN_SIDE:
        return {"left_out": FEW}
    drawn = [rows[draw] for draw in patient_draws(patients[rows], draws, rng)]
    result: dict[str, Any] = {"records": len(rows)}
    of_draws = {name: [slope(x[name][draw], y[name][draw]) for draw in drawn] for name in x}
    for name in x:
        result[name] = {"value": slope(x[name][rows], y[name][rows]), **interval(of_draws[name])}
    real = result[REAL]
    if real["low"] <= 0 <= real["high"]:
        return result | {"over_real": {"left_out": "real's interval has zero in it"}}
    return result | {
        "over_real": {
            name: {
                "ratio": result[name]["value"] / real["value"],
                **interval([made / of_real for made, of_real in zip(of_draws[name], of_draws[REAL], strict=True)]),
            }
            for name in x
            if name != REAL
        }
    }
