"""Each record's own morphology: its median beat, fitted from its statement's fit and from everybody's."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray

from sediff.ecg import INDEPENDENT_LEADS
from sediff.simulator.beats import Beats, complete, median_beats
from sediff.simulator.descent import Fit, fit
from sediff.simulator.morphology import Morphology
from sediff.simulator.ode import WAVES, omega_of
from sediff.simulator.rates import interval_of

OF_LEADS = pa.list_(pa.float32(), len(INDEPENDENT_LEADS))
MARKS = ("r_peaks", "p_onsets", "p_offsets", "qrs_onsets", "qrs_offsets", "t_offsets")  # columns, s by beat
OF_WAVES = pa.list_(pa.float32(), len(INDEPENDENT_LEADS) * len(WAVES))


def own_morphology(
    records: pl.DataFrame, signals: NDArray[np.int16], morphology: Morphology, steps: int
) -> pl.DataFrame:
    """Fit any records of the corpus as the simulator stage fits training records.

    Args:
        records: with record_id, statements, beat_kinds, heart_rate and `MARKS`.
        signals: of them, (n, 8, 1000) in µV; morphology: of the statements.
        steps: of least squares.

    Returns:
        What `own_table` says, of the records that have a median beat.
    """
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    rates = rates_of(records)
    beats = median_beats(signals, peaks, records["beat_kinds"].to_list(), rates)
    own = fit_records(beats, rates, ends_of(records), records["statements"].to_list(), morphology, steps)
    rows = complete(beats)
    return pl.DataFrame(own_table(records.filter(rows), rates[rows], own))


def rates_of(records: pl.DataFrame) -> NDArray[np.float64]:
    """Heart rates in bpm, NaN where one is not known: (n,)."""
    return records["heart_rate"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def ends_of(records: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Where waves begin and end, medians over a record's beats in s after R, by mark: each (n,), NaN if not known."""
    marks = {mark: records[mark].to_list() for mark in MARKS}
    return {mark.removesuffix("s"): interval_of(marks, "r_peaks", mark) for mark in MARKS[1:]}


def fit_records(
    beats: Beats,
    rates: NDArray[np.float64],
    ends: Mapping[str, NDArray[np.float64]],
    statements: list[list[str]],
    morphology: Morphology,
    steps: int,
) -> Fit:
    """Fit each record that has a median beat to it, from its statement's fit and from everybody's.

    Args:
        beats: (n, 8, points) in mV, NaN where there is none; rates: bpm.
        ends: as `ends_of` gives them.
        steps: of least squares.
    """
    rows = complete(beats)
    own = morphology.for_statements([codes for codes, kept in zip(statements, rows, strict=True) if kept])
    everybody = morphology.for_statements([[]] * int(rows.sum()))
    wanted, at = torch.from_numpy(beats[rows]), torch.tensor(rates[rows], dtype=torch.float32)
    held = {mark: omega_of(at) * torch.tensor(seconds[rows], dtype=torch.float32) for mark, seconds in ends.items()}
    return fit(wanted, at, [own, everybody], steps, morphology.common, held)


def own_table(records: pl.DataFrame, rates: NDArray[np.float64], own: Fit) -> pa.Table:
    """A row for each fitted record, in corpus order: θ, a, b at 60 bpm of 8 leads × 5 waves, error of 8 leads."""
    columns = {"record_id": pa.array(records["record_id"].to_list()), "heart_rate": pa.array(rates, pa.float32())}
    for name, values in own.waves._asdict().items():
        columns[name] = pa.FixedSizeListArray.from_arrays(values.flatten().numpy(), type=OF_WAVES)
    columns["error"] = pa.FixedSizeListArray.from_arrays(own.error.flatten().numpy(), type=OF_LEADS)
    return pa.table(columns)
