"""The gates: does each metric lie within its bounds, absolute and against the version that is served?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sediff.report.params import Gate, GatesParams
from sediff.report.rows import NO_PLACE, Row
from sediff.report.tables import Table
from sediff.report.words import gate_asks


@dataclass(frozen=True)
class GateResult:
    """One metric against its bounds; `value` is None where the metric is not there.

    Attributes:
        bound: in words; value: an int if it is a count.
        missed: by how much, in words; none where it passed.
        distance: from the nearest absolute bound, in the metric's unit, negative inside; None where there is neither.
    """

    metric: str
    bound: str
    value: float | None
    missed: tuple[str, ...]
    distance: float | None = None

    @property
    def passed(self) -> bool:
        """Whether all of its bounds hold."""
        return not self.missed


def check_gates(metrics: Any, gates: GatesParams, served: Any = None) -> list[GateResult]:
    """Check every gate against metrics by stage, in the order of params.yaml.

    Args:
        served: metrics by stage of the version that is served; None leaves out what asks for it alone.
    """
    return [
        _check(metric, gate, metrics, served)
        for metric, gate in gates.root.items()
        if served is not None or gate.is_absolute
    ]


def _check(metric: str, gate: Gate, metrics: Any, served: Any) -> GateResult:
    value = metric_at(metrics, metric)
    bounds = " and ".join(_bounds(gate, served is not None))
    if value is None:
        excused = gate.optional and (not gate.is_absolute or is_left_out(metrics, metric))
        return GateResult(metric, bounds, None, () if excused else ("not measured",))
    missed = list(_missed(gate, value))
    if served is not None and gate.is_relative:
        missed += _moved(metric, gate, value, metrics, served)
    return GateResult(metric, bounds, value, tuple(missed), _distance(gate, value))


def _distance(gate: Gate, value: float) -> float | None:
    below = None if gate.min is None else gate.min - value
    above = None if gate.max is None else value - gate.max
    return max((beyond for beyond in (below, above) if beyond is not None), default=None)


def _bounds(gate: Gate, compared: bool) -> Iterator[str]:
    relative = (("above the served by at most", gate.rise), ("below the served by at most", gate.fall))
    for words, bound in (("at least", gate.min), ("at most", gate.max), *(relative if compared else ())):
        if bound is not None:
            yield f"{words} {bound:g}"


def _missed(gate: Gate, value: float) -> Iterator[str]:
    if gate.min is not None and value < gate.min:
        yield f"{gate.min - value:.4g} too little"
    if gate.max is not None and value > gate.max:
        yield f"{value - gate.max:.4g} too much"


def _moved(metric: str, gate: Gate, value: float, metrics: Any, served: Any) -> Iterator[str]:
    """Whether it moved further than it may, by more than the uncertainty of both."""
    before = metric_at(served, metric)
    if before is None:
        return
    unsure = difference_half_width(half_width(metrics, metric), half_width(served, metric))
    told = f"{before:.4g} in the served version"
    for words, allowed, moved in (("rose", gate.rise, value - before), ("fell", gate.fall, before - value)):
        if allowed is not None and moved - unsure > allowed:
            yield f"{words} by {moved:.4g} ± {unsure:.2g} from {told}"


def gates_table(results: Sequence[GateResult], shown: Any) -> Table:
    """The verdict, what failed first.

    Args:
        shown: metrics by stage as a page shows them, where a value may be hidden in words.
    """
    rows = tuple(_row(result, shown) for result in sorted(results, key=lambda of: of.passed))
    note = (
        "Values with their 95 % intervals, where they have one. Beyond the bound: how far the value lies outside it, "
        "in the metric's unit; negative inside."
    )
    return Table("Gates", note, ("What is asked", "Metric", "Bound", "Value", "Beyond the bound", "Passed"), rows)


def _row(gate: GateResult, metrics: Any) -> Row:
    """A hidden value's distance would tell it, and its interval too."""
    shown, beyond = cell_at(metrics, gate.metric), NO_PLACE
    if isinstance(shown, int | float):
        ends = _ends(metrics, gate.metric)
        value = f"{shown:.4g}" + (f" ({ends[0]:.4g} to {ends[1]:.4g})" if ends else "")
        beyond = NO_PLACE if gate.distance is None else f"{gate.distance:.4g}"
    else:
        value = shown or ("not measured" if gate.value is None else "not shown")
    return (gate_asks(gate.metric), gate.metric, gate.bound, value, beyond, "yes" if gate.passed else "no")


def is_left_out(metrics: Any, key: str) -> bool:
    """Whether the stage says so itself: a note names the metric, or what it is a part of. A null alone says nothing."""
    stage, _, rest = key.partition(".")
    notes = _at(metrics, f"{stage}.left_out")
    named = [note.partition(":")[0] for note in notes] if isinstance(notes, list) else []
    return any(rest == name or rest.startswith(f"{name}.") for name in named)


def half_width(metrics: Any, key: str) -> float:
    """Half the width of the 95 % interval beside a metric, or of its own `KEY_interval`; 0 where there is none."""
    ends = _ends(metrics, key)
    return (ends[1] - ends[0]) / 2 if ends else 0.0


def _ends(metrics: Any, key: str) -> tuple[float, float] | None:
    beside = _at(metrics, f"{key}_interval") or _at(metrics, key.rpartition(".")[0])
    if not isinstance(beside, Mapping) or key.rpartition(".")[2] in ("low", "high"):
        return None
    low, high = beside.get("low"), beside.get("high")
    return (low, high) if isinstance(low, int | float) and isinstance(high, int | float) else None


def difference_half_width(one: float, other: float) -> float:
    """Of the difference of two independent values with these half-widths."""
    return math.hypot(one, other)


def metric_at(metrics: Any, key: str) -> float | None:
    """The number at a dotted key; None where there is none."""
    cell = cell_at(metrics, key)
    return None if isinstance(cell, str) else cell


def cell_at(metrics: Any, key: str) -> float | str | None:
    """The number at a dotted key, or the words in its place; None where there is neither."""
    found = _at(metrics, key)
    return found if isinstance(found, int | float | str) and not isinstance(found, bool) else None


def _at(metrics: Any, key: str) -> Any:
    for part in key.split("."):
        metrics = metrics.get(part) if isinstance(metrics, Mapping) else None
    return metrics
