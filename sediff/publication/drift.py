"""How far a corpus has moved from the published one, before anything is trained on it."""

from collections.abc import Mapping
from typing import Any

from sediff.publication.params import DriftParams


def drift(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """How far a corpus moved, by what `DriftParams` bounds.

    Args:
        before, now: metrics of the corpus stage.
    """
    return {
        "records": abs(now["records"] - before["records"]) / max(before["records"], 1),
        "quarantined": abs(_set_aside(now) - _set_aside(before)),
        "statements": _distance(_counts(before, "statements"), _counts(now, "statements")),
        "sources": _distance(_counts(before, "sources"), _counts(now, "sources")),
        "sites": _distance(_counts(before, "sites"), _counts(now, "sites")),
    }


def beyond(moved: Mapping[str, float], bounds: DriftParams) -> list[str]:
    """A sentence for each way in which it moved too far."""
    limits = bounds.model_dump()
    return [
        f"{name} moved by {value:.3f} (publication.drift.{name}: {limits[name]:g})"
        for name, value in moved.items()
        if value > limits[name]
    ]


def _set_aside(metrics: Mapping[str, Any]) -> float:
    read = metrics["records"] + metrics["quarantined"]
    return metrics["quarantined"] / read if read else 0.0


def _counts(metrics: Mapping[str, Any], key: str) -> dict[str, float]:
    return {name: float(count) for name, count in metrics[key].items() if isinstance(count, int | float)}


def _distance(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Total variation distance of two tables of counts, as shares: 0 alike, 1 with nothing in common."""
    totals = [sum(table.values()) or 1.0 for table in (before, now)]
    return 0.5 * sum(abs(before.get(n, 0) / totals[0] - now.get(n, 0) / totals[1]) for n in before.keys() | now.keys())
