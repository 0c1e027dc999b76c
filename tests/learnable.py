"""A tiny corpus on disk whose two statements a network can tell apart, for tests of what learns from records."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from sediff.ecg import INDEPENDENT_LEADS
from sediff.knowledge import experience
from sediff.knowledge.distill import Distilled
from sediff.knowledge.report import POSSIBLE, Report
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.statistics import measurements, summarise
from sediff.knowledge.table import experience_table
from sediff.records import signal_column, write_table
from sediff.simulator.morphology import ALL, FILE, OWN
from sediff.simulator.ode import WAVES
from sediff.simulator.rhythm import RHYTHMS, RhythmFit, RhythmModel

CODES = ("NORM", "CLBBB")
NUMBERS = ("theta", "a", "b", "offset_exponent", "width_exponent")  # of a wave


def signals(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """12 leads × 1000 samples in µV: narrow beats for label 0, wide and inverted ones for label 1."""
    t = np.arange(1000) / 100
    out = np.zeros((len(labels), 12, 1000))
    for row, label in enumerate(labels):
        peaks = np.arange(rng.uniform(0.3, 0.9), 10, rng.uniform(0.7, 1.0))
        width = 0.05 if label else 0.02
        beats = np.exp(-0.5 * ((t[:, None] - peaks) / width) ** 2).sum(1)
        out[row] = (-900 if label else 900) * beats * rng.uniform(0.8, 1.2, (12, 1))
    return (out + rng.normal(0, 20, out.shape)).astype(np.int16)


def write_records(
    folder: Path, labels: np.ndarray, seed: int = 0, mislabelled: bool = False, missing: tuple[str, ...] = ()
) -> None:
    """Write `records/shard-000.parquet`: two records a patient, every fourth patient a test patient.

    `missing` names columns that are empty.
    """
    rng = np.random.default_rng(seed)
    count = len(labels)
    patients = [f"p{i // 2:03d}" for i in range(count)]
    columns = {
        "record_id": [f"r/{i:03d}" for i in range(count)],
        "patient_id": patients,
        "split": ["test" if i // 2 % 4 == 0 else "train" for i in range(count)],
        "statements": [[CODES[label]] for label in labels],
        "human_validated": [True] * count,
        "original_report": ["linksschenkelblock" if label else "normales ekg" for label in labels],
        "report": ["left bundle branch block" if label else "normal ECG" for label in labels],
        "age": [60.0] * count,
        "sex": ["male"] * count,
        "heart_rate": [70.0] * count,
        "axis": [45.0] * count,
        "source": ["r"] * count,
        "site": [""] * count,
        "device": [""] * count,
        "repairs": pa.array([[]] * count, pa.list_(pa.string())),
    }
    columns |= {name: pa.nulls(count, pa.float32()) for name in missing}
    table = pa.table(columns).append_column(
        "signal", signal_column(signals(1 - labels if mislabelled else labels, rng))
    )
    (folder / "records").mkdir(parents=True)
    write_table(table, folder / "records/shard-000.parquet")


def write_simulator(folder: Path) -> None:
    """Write what the simulator stage would fit to these records: of each statement its R wave."""
    folder.mkdir(parents=True)
    RhythmModel({rhythm: RhythmFit([200.0], [[0.02, 0.04]], [[1.0, 1.0]], 0.1, 30) for rhythm in RHYTHMS}).save(folder)
    rows = []
    for statement, height, width in ((ALL, 0.9, 0.02), (CODES[0], 0.9, 0.02), (CODES[1], -0.9, 0.05)):
        b = 2 * np.pi * width  # at 60 bpm, where ω = 2π
        waves = [{"a": 2 * np.pi * height / b**2 if wave == "R" else 0.0, "b": b} for wave in WAVES]
        own = {"statement": statement, "source": OWN, "count": 1, "fitted_at": 60.0, "theta": 0.0}
        rows += [{**own, **wave, "offset_exponent": 0.0, "width_exponent": 1.0} for wave in waves] * len(
            INDEPENDENT_LEADS
        )
    pl.DataFrame(rows, schema_overrides=dict.fromkeys(NUMBERS, pl.Float32)).write_parquet(folder / FILE)


def write_experiences(folder: Path, count: int, statements: int) -> None:
    """Write `experience.parquet` with the same empty experience for each record."""
    codes = tuple(map(str, range(statements)))
    nobody = Neighbours(np.full((count, 1), -1), np.zeros((count, 1)))
    training = pl.DataFrame(
        {"record_id": ["t"], "statements": [[]]}, schema_overrides={"statements": pl.List(pl.String)}
    )
    weights, measured = np.zeros((count, 1), np.float32), measurements(training)
    statistics = summarise(nobody, weights, [[]] * count, training, measured, codes)
    report = Report(
        rhythm="unknown", findings=(), **dict.fromkeys(POSSIBLE), morphology=(), confidence=0, cited=(),
        text="No similar patient is known.",
    )  # fmt: skip
    distilled = [Distilled(report, "offline", None)] * count
    folder.mkdir(parents=True)
    ids = [f"r/{i:03d}" for i in range(count)]
    table = experience_table(["e"] * count, ids, distilled, nobody, statistics, training)
    experience.write_experiences(table, folder / "experience.parquet")
