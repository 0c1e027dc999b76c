"""What is in the corpus: the stage's metrics and its pictures.

Shards are counted one after the other, and of numbers one column is held at a time: 4 bytes a record.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sediff.records import shards

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

MOST_FREQUENT, MOST_UNMAPPED = 24, 50
INTERVALS = ("pr", "qrs_duration", "qt", "qtcf")
NUMBERS = {"age": 30, "heart_rate": 30, **dict.fromkeys(INTERVALS, 40)}  # bars of each column's picture
WORDS = (
    "source",
    "site",
    "device",
    "split",
    "sex",
    "report_language",
    "statements",
    "uncertain",
    "unmapped",
    "repairs",
)
BATCH = 4096  # rows held while words are counted
BLUE, RED = "#3b6ea5", "#a3261b"


@dataclass(frozen=True)
class Distribution:
    """Of one column of numbers.

    Attributes:
        quartiles: rounded, by name; none where the column holds no number.
        counts: of each bar.
        edges: of the bars, one more.
    """

    quartiles: dict[str, float]
    counts: NDArray[np.intp]
    edges: NDArray[np.floating]


def summarise(out: Path, report: Path) -> dict[str, Any]:
    """Count records, patients, statements and rejections, and draw age, rate and statements.

    Args:
        out: the stage's folder with `records/` and `quarantine.parquet`.
        report: folder that gets `plots/corpus.png` and `plots/quality.png`.
    """
    words: dict[str, Counter[str | None]] = {name: Counter() for name in WORDS}
    patients = 0
    for path in shards(out / "records"):
        patients += _distinct(path, "patient_id")  # all records of a patient are in one shard
        for name, counter in words.items():
            counter.update(_words(path, name))
    reasons = Counter(_words(out / "quarantine.parquet", "reason"))
    numbers = {name: _distribution(out / "records", name, bars) for name, bars in NUMBERS.items()}
    statements, unmapped = _known(words["statements"]), _known(words["unmapped"])
    _draw(numbers, statements, report / "plots" / "corpus.png")
    _draw_quality(numbers, _known(reasons), report / "plots" / "quality.png")
    return {
        "records": words["split"].total(),
        "patients": patients,
        "quarantined": reasons.total(),
        "quarantine": _known(reasons),
        "splits": {split: words["split"][split] for split in ("train", "audit", "validation", "test")},
        "sources": _known(words["source"]),
        "sites": _named(words["site"], ""),
        "devices": _named(words["device"], ""),
        "sexes": _named(words["sex"], None),
        "age": numbers["age"].quartiles,
        "heart_rate": numbers["heart_rate"].quartiles,
        "statements": statements,
        "uncertain": _known(words["uncertain"]),
        "repairs": _known(words["repairs"]),
        "report_languages": _named(words["report_language"], ""),
        "intervals": {name: numbers[name].quartiles for name in INTERVALS},
        "unmapped": dict(Counter(unmapped).most_common(MOST_UNMAPPED)),
        "unmapped_distinct": len(unmapped),
    }


def _words(path: Path, column: str) -> Iterator[str | None]:
    """The words of a column; those of lists one by one."""
    for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=[column]):
        values = batch[column]
        yield from (values.flatten() if pa.types.is_list(values.type) else values).to_pylist()


def _distinct(path: Path, column: str) -> int:
    return int(pl.scan_parquet(path).select(pl.col(column).n_unique()).collect(engine="streaming").item())


def _known(counter: Counter[str | None]) -> dict[str, int]:
    """Counts by word, sorted."""
    return dict(sorted((word, count) for word, count in counter.items() if word is not None))


def _named(counter: Counter[str | None], missing: str | None) -> dict[str, int]:
    """The same, what is missing called unknown."""
    return _known(Counter({"unknown" if word == missing else word: count for word, count in counter.items()}))


def _distribution(records: Path, column: str, bars: int) -> Distribution:
    parts = [pq.read_table(path, columns=[column])[column].drop_null().to_numpy() for path in shards(records)]
    values = np.concatenate(parts)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.0 if high > low else 0.5
    # In float64: of float32, bars between values that are nearly alike would have no width.
    counts, edges = np.histogram(values, np.linspace(low - margin, high + margin, bars + 1))
    names = ("lower_quartile", "median", "upper_quartile")
    quartiles = np.percentile(values, (25, 50, 75)) if len(values) else ()
    return Distribution({name: round(float(q), 1) for name, q in zip(names, quartiles, strict=False)}, counts, edges)


def _bars(axis: Axes, found: Distribution, label: str) -> None:
    axis.hist(found.edges[:-1], bins=found.edges.tolist(), weights=found.counts, color=BLUE)
    axis.set_xlabel(label)


def _draw_quality(numbers: dict[str, Distribution], quarantine: dict[str, int], path: Path) -> None:
    """Intervals of what is kept, and what was set aside by reason."""
    figure, axes = pyplot.subplots(1, len(INTERVALS) + 1, figsize=(12, 3.2), width_ratios=(*[1] * len(INTERVALS), 1.6))
    for axis, name in zip(axes, INTERVALS, strict=False):
        _bars(axis, numbers[name], f"{name.replace('_', ' ')} (ms)")
    axes[0].set_ylabel("records")
    reasons = sorted(quarantine.items(), key=lambda item: item[1])
    axes[-1].barh([reason for reason, _ in reasons], [count for _, count in reasons], color=RED)
    axes[-1].set_xlabel("recordings set aside")
    axes[-1].tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _draw(numbers: dict[str, Distribution], statements: dict[str, int], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, (age, rate, codes) = pyplot.subplots(1, 3, figsize=(12, 3.6), width_ratios=(1, 1, 2.4))
    for axis, column, label in ((age, "age", "age (years)"), (rate, "heart_rate", "heart rate (bpm)")):
        _bars(axis, numbers[column], label)
        axis.set_ylabel("records")
    frequent = sorted(statements.items(), key=lambda item: (-item[1], item[0]))[:MOST_FREQUENT]
    codes.bar([code for code, _ in frequent], [count for _, count in frequent], color=BLUE)
    codes.tick_params(axis="x", rotation=75, labelsize=8)
    codes.set_ylabel("records")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
