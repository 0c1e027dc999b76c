"""The figures at the head of a page: the few that a reader looks for first."""

from collections.abc import Iterator
from typing import Any

from sediff.report.gates import cell_at
from sediff.report.rows import Metrics

Tile = tuple[str, str]  # the figure, and what it is of


def tiles(metrics: Metrics) -> list[Tile]:
    """Head figures of metrics by stage, as far as they are there; one that is hidden has words."""
    return list(_tiles(metrics))


def _tiles(metrics: Any) -> Iterator[Tile]:
    judged = _told(metrics, "evaluation.agreement.auroc_real", "%.3f", "; of real ones %s")
    floor = _told(metrics, "evaluation.distribution.real.fd.median", "%.1f", "; of real from real %s")
    for key, pattern, label in (
        ("corpus.records", "", "real records read"),
        ("synthesis/dataset.records", "", "synthetic records made as asked"),
        ("evaluation.heart_rate.mae_bpm", "%.2f bpm", "mean heart-rate error"),
        ("evaluation.distribution.synthetic.fd.median", "%.1f", f"distance from real ECGs (FD){floor}"),
        ("evaluation.distribution.coverage", "%.2f", "of real ECGs have a synthetic one near (coverage)"),
        ("evaluation.agreement.auroc_synthetic", "%.3f", f"AUROC of the judge that reads synthetic records{judged}"),
    ):
        if value := _told(metrics, key, pattern, "%s"):
            yield value, label


def _told(metrics: Any, key: str, pattern: str, words: str) -> str:
    value = cell_at(metrics, key)
    if value is None:
        return ""
    figure = value if isinstance(value, str) else pattern % value if pattern else f"{value:,}"
    return words % figure
