"""What is in the corpus: the stage's metrics and its picture."""

from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl

from sediff.records import read_columns

matplotlib.use("Agg")
from matplotlib import pyplot

MOST_FREQUENT, MOST_UNMAPPED = 24, 50
INTERVALS = ("pr", "qrs_duration", "qt", "qtcf")
COLUMNS = (
    "patient_id",
    "source",
    "split",
    "age",
    "sex",
    "statements",
    "uncertain",
    "unmapped",
    "report_language",
    "repairs",
    "heart_rate",
    *INTERVALS,
)


def summarise(out: Path, report: Path) -> dict[str, Any]:
    """Count records, patients, statements and rejections, and draw age, rate and statements.

    Args:
        out: the stage's folder with `records/` and `quarantine.parquet`.
        report: folder that gets `plots/corpus.png`.
    """
    records = read_columns(out / "records", COLUMNS)
    quarantine = pl.read_parquet(out / "quarantine.parquet")
    statements = Counter(records["statements"].explode().drop_nulls().to_list())
    unmapped = Counter(sorted(records["unmapped"].explode().drop_nulls().to_list()))
    _draw(records, statements, report / "plots" / "corpus.png")
    _draw_quality(records, quarantine, report / "plots" / "quality.png")
    return {
        "records": len(records),
        "patients": records["patient_id"].n_unique(),
        "quarantined": len(quarantine),
        "quarantine": _counts(quarantine["reason"]),
        "splits": {split: int((records["split"] == split).sum()) for split in ("train", "validation", "test")},
        "sources": _counts(records["source"]),
        "sexes": _counts(records["sex"].fill_null("unknown")),
        "age": _quartiles(records["age"]),
        "heart_rate": _quartiles(records["heart_rate"]),
        "statements": dict(sorted(statements.items())),
        "uncertain": _counts(records["uncertain"].explode()),
        "repairs": _counts(records["repairs"].explode()),
        "report_languages": _counts(records["report_language"].replace("", "unknown")),
        "intervals": {name: _quartiles(records[name]) for name in INTERVALS},
        "unmapped": dict(unmapped.most_common(MOST_UNMAPPED)),
        "unmapped_distinct": len(unmapped),
    }


def _counts(column: pl.Series) -> dict[str, int]:
    return dict(sorted(Counter(column.drop_nulls().to_list()).items()))


def _quartiles(column: pl.Series) -> dict[str, float]:
    values = column.drop_nulls().to_numpy()
    if not len(values):
        return {}
    names = ("lower_quartile", "median", "upper_quartile")
    return {name: round(float(q), 1) for name, q in zip(names, np.percentile(values, (25, 50, 75)), strict=True)}


def _draw_quality(records: pl.DataFrame, quarantine: pl.DataFrame, path: Path) -> None:
    """Intervals of what is kept, and what was set aside by reason."""
    figure, axes = pyplot.subplots(1, len(INTERVALS) + 1, figsize=(12, 3.2), width_ratios=(*[1] * len(INTERVALS), 1.6))
    for axis, name in zip(axes, INTERVALS, strict=False):
        axis.hist(records[name].drop_nulls().to_numpy(), bins=40, color="#3b6ea5")
        axis.set_xlabel(f"{name.replace('_', ' ')} (ms)")
    axes[0].set_ylabel("records")
    reasons = sorted(_counts(quarantine["reason"]).items(), key=lambda item: item[1])
    axes[-1].barh([reason for reason, _ in reasons], [count for _, count in reasons], color="#a3261b")
    axes[-1].set_xlabel("recordings set aside")
    axes[-1].tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _draw(records: pl.DataFrame, statements: Counter[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, (age, rate, codes) = pyplot.subplots(1, 3, figsize=(12, 3.6), width_ratios=(1, 1, 2.4))
    for axis, column, label in ((age, "age", "age (years)"), (rate, "heart_rate", "heart rate (bpm)")):
        axis.hist(records[column].drop_nulls().to_numpy(), bins=30, color="#3b6ea5")
        axis.set_xlabel(label)
        axis.set_ylabel("records")
    frequent = sorted(statements.items(), key=lambda item: (-item[1], item[0]))[:MOST_FREQUENT]
    codes.bar([code for code, _ in frequent], [count for _, count in frequent], color="#3b6ea5")
    codes.tick_params(axis="x", rotation=75, labelsize=8)
    codes.set_ylabel("records")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
