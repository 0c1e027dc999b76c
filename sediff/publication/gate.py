"""`sediff gate`: the gates' verdict on the working tree or a version, beside the one that a refresh compares with."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sediff.publication.metrics import read_metrics
from sediff.publication.versions import Version, reference
from sediff.report.gates import GateResult, check_gates
from sediff.report.params import GatesParams


def gate(root: Path, gates: GatesParams, name: str, version: Version | None) -> tuple[list[GateResult], Version | None]:
    """Check every gate, and give the version that they were compared with, if there is another one.

    Args:
        version: whose metrics are checked; None: those of the working tree.

    Raises:
        UserError: metrics cannot be read.
    """
    served = reference(root, name)
    compared = served if served != version else None
    against = read_metrics(root, compared) if compared and gates.relative.root else None
    return check_gates(read_metrics(root, version), gates, against), compared


def moved_too_far(root: Path, gates: GatesParams, served: Version | None) -> list[GateResult]:
    """Gates against the served version that the working tree misses."""
    if served is None or not gates.relative.root:
        return []
    metrics: Any = read_metrics(root)
    return [one for one in check_gates(metrics, gates.relative, read_metrics(root, served)) if not one.passed]


def lines(results: Sequence[GateResult], compared: Version | None, served: bool = True) -> Iterator[str]:
    """A line for each gate, the verdict last.

    Args:
        served: whether the version that they were compared with is served now; one before it, where that is revoked.
    """
    for one in results:
        value = "left out" if one.value is None and one.passed else told(one.value)
        missed = f": {' and '.join(one.missed)}" if one.missed else ""
        yield f"{'passed' if one.passed else 'FAILED'}  {one.metric} {value} ({one.bound}){missed}"
    failed = sum(not one.passed for one in results)
    which = "which is served" if served else "the last that was served and is not revoked"
    beside = f", beside {compared}, {which}" if compared else "; no other version is served to compare with"
    yield f"{failed} of {len(results)} gates failed{beside}" if failed else f"all {len(results)} gates passed{beside}"


def told(value: float | None) -> str:
    """A value in words."""
    return "not measured" if value is None else f"{value:.6g}"
