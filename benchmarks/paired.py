"""Figures that the papers give, for comparison with them alone: `python benchmarks/paired.py CLONE [--draws 200]`.

MAE and NRMSE of each record of `data/synthesis/evaluation` against the real record whose condition it has, over twelve
leads; NRMSE is the root mean square error over the real record's range. Where a condition was asked for several times
its first record counts. Phase is not conditioned, so both reward a record that says little: beside them stand a flat
line, a random other real record, and a real record of another patient with the same statements and sex, the age within
5 years and the rate within 5 bpm (as many as have one). Intervals are of draws of patients.

rFID is the FD of synthetic records over that of real ones, both against the same half of the held-out patients and at
one number of records; rCLIP the CLIP score over that of the real records of the same conditions. Both are read from
the evaluation's metrics, in the features of this project's judges, which are not the papers' networks.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws
from sediff.ecg import to_millivolts
from sediff.evaluation.compared import Matched
from sediff.evaluation.diversity import matched_conditions
from sediff.files import read_out
from sediff.records import read_columns, read_signals

Floats = NDArray[np.floating]


def errors(real: Floats, other: Floats) -> tuple[Floats, Floats]:
    """MAE in mV and NRMSE of records (n, 12, 1000), each (n,); NaN where the real record is flat."""
    difference = (other - real).reshape(len(real), -1)
    span = np.ptp(real.reshape(len(real), -1), axis=1)
    root = np.sqrt((difference**2).mean(1))
    return np.abs(difference).mean(1), np.divide(root, span, out=np.full(len(real), np.nan), where=span > 0)


def others(patients: NDArray, rng: np.random.Generator) -> NDArray[np.intp]:
    """For each row one of another patient, drawn: (n,)."""
    return np.array([rng.choice(np.flatnonzero(patients != patient)) for patient in patients])


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, help="folder of a clone whose evaluation has run")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data, rng = arguments.clone / "data", np.random.default_rng(arguments.seed)
    print("| against the real record | records | MAE, mV | NRMSE |")
    print("|---|---|---|---|")
    for name, real, other, patients in compared(data, rng):
        cells = [told(of, patients, arguments.draws, rng) for of in errors(real, other)]
        print(f"| {name} | {len(real)} | {' | '.join(cells)} |")
    print()
    for line in relative(read_out(arguments.clone / "reports/evaluation/metrics.json")):
        print(line)


def compared(data: Path, rng: np.random.Generator) -> Iterator[tuple[str, Floats, Floats, NDArray]]:
    """What is set against the real records: its name, these (n, 12, 1000) in mV, itself, and the patients."""
    columns, made = read_columns(data / "corpus/records"), read_columns(data / "synthesis/evaluation/records")
    matched = Matched.of(made, columns)
    like = alike(columns, matched.corpus_rows, rng)
    needed = np.zeros(len(columns), bool)
    needed[matched.corpus_rows] = needed[list(like.values())] = True
    place, stored = np.cumsum(needed) - 1, to_millivolts(read_signals(data / "corpus/records", needed))
    real, patients = stored[place[matched.corpus_rows]], columns["patient_id"].to_numpy()[matched.corpus_rows]
    yield "synthetic", real, to_millivolts(read_signals(data / "synthesis/evaluation/records"))[matched.first], patients
    yield "a flat line", real, np.zeros_like(real), patients
    yield "a random other real one", real, real[others(patients, rng)], patients
    if like:
        of_corpus = stored[place[list(like)]], stored[place[list(like.values())]]
        yield "a real one of the same condition", *of_corpus, columns["patient_id"].to_numpy()[list(like)]


def alike(columns: pl.DataFrame, rows: NDArray[np.intp], rng: np.random.Generator) -> dict[int, int]:
    """A real record of another patient for each of some rows of the corpus that has one of its condition."""
    asked = np.isin(np.arange(len(columns)), rows)
    found = matched_conditions(columns, asked, np.ones(len(columns), bool), len(rows), 1, rng)
    return {condition.row: int(condition.matches[0]) for condition in found}


def told(values: Floats, patients: NDArray, draws: int, rng: np.random.Generator) -> str:
    """A mean with its 95 % interval over patients, of what is known."""
    known = np.isfinite(values)
    drawn = [float(values[known][rows].mean()) for rows in patient_draws(patients[known], draws, rng)]
    ends = interval(drawn)
    return f"{values[known].mean():.4f} ({ends['low']:.4f} to {ends['high']:.4f})"


def relative(evaluation: dict[str, Any]) -> Iterator[str]:
    """RFID and rCLIP, each beside the plain metric."""
    distribution, clip = evaluation.get("distribution", {}), evaluation["clip"]
    if "synthetic" in distribution:
        ratio = distribution["over_floor"]["synthetic"]["fd"]
        plain = [distribution[of_set]["fd"]["median"] for of_set in ("synthetic", "real")]
        yield (
            f"rFID {ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f}): FD {plain[0]:.3g} over "
            f"{plain[1]:.3g}, {distribution['records_compared']} records each."
        )
    means = [clip[of_set]["mean"] for of_set in ("synthetic", "real", "shuffled")]
    yield f"rCLIP {means[0] / means[1]:.3f}: {means[0]:.3f} over {means[1]:.3f}; of a wrong text {means[2]:.3f}."


if __name__ == "__main__":
    main()
