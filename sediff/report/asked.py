"""What was asked of the synthesis and what it made, from its manifests and metrics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sediff.report.rows import NO_PLACE, Figure, Metrics, Row
from sediff.report.tables import Table
from sediff.report.words import statement

REQUESTS = {
    "synthesis/evaluation": "conditions of held-out records",
    "synthesis/augmentation": "conditions of training records",
    "synthesis/dataset": "",
}
SHOWN = ("text", "statements")  # what the ECG should show, said before who has it
UNITS = {"heart_rate": "bpm", "axis": "°", "pr": "ms", "qrs": "ms", "qt": "ms", "age": "years"}
SPREAD = {"mean", "sd", "low", "high"}


def synthesis_tables(metrics: Metrics, manifests: Sequence[Mapping[str, Any]]) -> list[Table]:
    """What was asked, what was made and of which statements; none of a request that has not run.

    Args:
        metrics: by stage, as the page shows them: a count that it hides has words.
        manifests: of stages, with the parameters that they ran with.
    """
    asked = {manifest["stage"].replace("@", "/"): manifest["parameters"] for manifest in manifests}
    made = {stage: metrics[stage] for stage in REQUESTS if stage in metrics}
    tables = (
        Table(
            "Asked",
            "A condition's words, statements and numbers; what is left out is filled by similar patients' experience.",
            ("Request", "Asked for", "Records"),
            tuple(row for stage in made for row in _asked(stage, asked.get(stage, {}))),
        ),
        Table(
            "Made",
            "Made again: records that missed what was asked for and were given another try by the gate, which is for "
            "the dataset alone and off where no tries are allowed. Missed at last: records that still miss it.",
            ("Request", "Records", "Tries allowed", "Made again", "Missed at last"),
            tuple(_made(stage, found, asked.get(stage, {})) for stage, found in made.items()),
        ),
        Table(
            "Statements asked for",
            "Records with each statement among their conditions.",
            ("Statement", *(_name(stage) for stage in made)),
            tuple(_statements(list(made.values()))),
        ),
    )
    return [table for table in tables if table.rows]


def _asked(stage: str, parameters: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each part of a request."""
    found = parameters.get(stage.replace("/", "."), [])
    for part in [found] if isinstance(found, Mapping) else found:
        yield (_name(stage), REQUESTS[stage] or _condition(part), _cell(part.get("records", NO_PLACE)))


def _condition(part: Mapping[str, Any]) -> str:
    """A part of a request in words."""
    if "fill" in part:
        return "filled up to: " + ", ".join(f"{statement(code)} {count:,}" for code, count in part["fill"].items())
    if "like" in part:
        return f"conditions like those of the {part['like']}"
    keys = [*SHOWN, *sorted(part.keys() - {*SHOWN, "records"})]  # a manifest's are sorted
    return "; ".join(_value(key, part[key]) for key in keys if part.get(key) not in (None, "", []))


def _value(key: str, value: Any) -> str:
    if key == "text" and isinstance(value, str):
        return value
    if key == "statements" and isinstance(value, list):
        return "statements " + ", ".join(map(statement, value))
    unit = f" {UNITS[key]}" if key in UNITS else ""
    if isinstance(value, Mapping):
        told = ", ".join(f"{name} {of:g}" for name, of in value.items() if of is not None)
        return f"{key.replace('_', ' ')} drawn from {told}{unit if value.keys() <= SPREAD else ''}"
    told = ", ".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, int | float) else value
    return f"{key.replace('_', ' ')} {told}{unit}"


def _made(stage: str, found: Metrics, parameters: Mapping[str, Any]) -> Row:
    allowed = _cell(parameters.get("synthesis.gate", {}).get("tries", NO_PLACE))
    made = (_name(stage), _cell(found["records"]), allowed)
    if "gate" not in found:
        return (*made, NO_PLACE, NO_PLACE)
    tries, misses = found["gate"]["tries"], found["gate"]["misses"]
    again = ", ".join(f"{_cell(tries[times])} {_times(times)}" for times in sorted(tries, key=int) if times != "0")
    missed = ", ".join(f"{what.replace('_', ' ')} {_cell(count)}" for what, count in sorted(misses.items()))
    return (*made, again or "none", missed or "nothing")


def _times(tries: str) -> str:
    return "(1 more try)" if tries == "1" else f"({tries} more tries)"


def _statements(made: Sequence[Metrics]) -> Iterator[Row]:
    codes = sorted({code for found in made for code in found.get("statements", {})})
    for code in codes:
        yield (statement(code), *(_cell(found.get("statements", {}).get(code, 0)) for found in made))


def _name(stage: str) -> str:
    return stage.partition("/")[2]


def _cell(value: int | str) -> str:
    return value if isinstance(value, str) else Figure(f"{value:,}", value)
