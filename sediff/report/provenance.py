"""What two runs rest on, beside each other: fingerprints of stages, and the inputs, code and parameters that differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sediff.report.rows import NO_PLACE, Row
from sediff.report.tables import Table

DIGITS = 16  # of a hash, enough to tell two apart
Manifest = Mapping[str, Any]


def compared_provenance(first: Sequence[Manifest], second: Sequence[Manifest], names: tuple[str, str]) -> Table:
    """A row for each stage of either run.

    Args:
        first, second: manifests of stages.
        names: of the runs, above their columns.
    """
    before, after = ({manifest["stage"]: manifest for manifest in of} for of in (first, second))
    stages = dict.fromkeys([*before, *after])
    return Table(
        "Provenance",
        "A fingerprint is a hash of a stage's parameters, inputs, code, environment and device: where both are the "
        "same, so is what the stage made. Every synthetic record carries that of the stage that made it.",
        ("Stage", *(f"Fingerprint, {name}" for name in names), "Inputs that differ", "Code", "Parameters that differ"),
        tuple(_row(stage, before.get(stage), after.get(stage)) for stage in stages),
    )


def _row(stage: str, first: Manifest | None, second: Manifest | None) -> Row:
    hashes = (of["fingerprint"][:DIGITS] if of else NO_PLACE for of in (first, second))
    if first is None or second is None:
        return (stage, *hashes, NO_PLACE, NO_PLACE, NO_PLACE)
    inputs = _changes(first["inputs"], second["inputs"])
    code = [path for path, _, _ in _changes(first.get("code", {}), second.get("code", {}))]
    parameters = _changes(dict(_flat(first["parameters"])), dict(_flat(second["parameters"])))
    return (
        stage,
        *hashes,
        "; ".join(f"{path} {one[:DIGITS]} → {other[:DIGITS]}" for path, one, other in inputs) or "none",
        ", ".join(code) or "the same",
        "; ".join(f"{key} {one} → {other}" for key, one, other in parameters) or "none",
    )


def _changes(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Name and both values of what is not the same."""
    names = dict.fromkeys([*first, *second])
    pairs = ((name, first.get(name, NO_PLACE), second.get(name, NO_PLACE)) for name in names)
    return [(name, one, other) for name, one, other in pairs if one != other]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Parameters by dotted key, as JSON."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False, sort_keys=True)
