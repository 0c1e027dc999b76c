"""The gates: does each metric lie within its bounds?"""

from dataclasses import dataclass
from typing import Any

from sediff.report.params import GatesParams


@dataclass(frozen=True)
class GateResult:
    """One metric against its bounds; `value` is None where the metric is not there, which does not pass.

    A value that is a count is an int.
    """

    metric: str
    bound: str
    value: float | None
    passed: bool


def check_gates(metrics: dict[str, Any], gates: GatesParams) -> list[GateResult]:
    """Check every gate against metrics by stage, in the order of params.yaml."""
    results = []
    for metric, gate in gates.root.items():
        value = metric_at(metrics, metric)
        inside = value is not None and not (
            (gate.min is not None and value < gate.min) or (gate.max is not None and value > gate.max)
        )
        named = (("at least", gate.min), ("at most", gate.max))
        bounds = [f"{word} {bound:g}" for word, bound in named if bound is not None]
        results.append(GateResult(metric, " and ".join(bounds), value, inside))
    return results


def metric_at(metrics: Any, key: str) -> float | None:
    """The number at a dotted key; None where there is none."""
    cell = cell_at(metrics, key)
    return None if isinstance(cell, str) else cell


def cell_at(metrics: Any, key: str) -> float | str | None:
    """The number at a dotted key, or the words in its place; None where there is neither."""
    for part in key.split("."):
        metrics = metrics.get(part) if isinstance(metrics, dict) else None
    return metrics if isinstance(metrics, int | float | str) and not isinstance(metrics, bool) else None
