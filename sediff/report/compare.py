"""Two runs beside each other on one page: gates, every number with its difference, learning curves, pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sediff.report.asked import synthesis_tables
from sediff.report.build import ASKED, QUEUES, STAGES, TITLES, data_uri, queue_section, stage_tables
from sediff.report.charts import line_chart
from sediff.report.differences import compared_tables, difference
from sediff.report.gates import GateResult, half_width, metric_at
from sediff.report.provenance import compared_provenance
from sediff.report.public import public_runs
from sediff.report.rows import NO_PLACE
from sediff.report.tables import Table
from sediff.report.tiles import tiles
from sediff.report.words import caption, gate_asks


@dataclass(frozen=True)
class Run:
    """What a page shows of one run.

    Attributes:
        name: `NAME@VERSION`, or what the working tree is called.
        metrics: by stage; pictures: PNG and SVG by path below reports/.
        gates: the verdict on it alone.
        curves: of learning, by stage, network and term.
        manifests: of its stages, in their order.
        queues: what `sediff ablate` and `sediff study` wrote for the report, in Markdown, by name.
    """

    name: str
    metrics: Mapping[str, Any]
    pictures: Mapping[str, bytes]
    gates: Sequence[GateResult]
    curves: Mapping[str, Any] = field(default_factory=dict)
    manifests: Sequence[Mapping[str, Any]] = ()
    queues: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """One metric of both, in words.

    Attributes:
        difference: second less first, with half its 95 % interval where both stand beside theirs.
        beyond: whether it lies outside that interval; "" where there is none.
    """

    metric: str
    first: str
    second: str
    difference: str
    beyond: str


def compare_page(first: Run, second: Run, restricted: bool) -> str:
    """A self-contained page; a restricted one shows no pictures and no counts of few patients."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    metrics = [run.metrics for run in (first, second)]
    shown = public_runs(metrics) if restricted else metrics
    stages = [stage for stage in STAGES if any(stage in of for of in shown)]
    environment.filters["gate_asks"] = gate_asks
    return environment.get_template("compare.html").render(
        runs=(first, second),
        restricted=restricted,
        tiles=[tiles(of) for of in shown],
        gates=_gates(first, second, shown),
        asked={"title": ASKED, "tables": _asked(first, second, shown)},
        sections=[
            {
                "title": TITLES.get(stage, stage),
                "tables": _tables(stage, shown, (first.name, second.name)),
                "rows": compared(stage, *shown),
                "charts": _charts(stage, first, second),
                "pictures": [] if restricted else _pictures(stage, first, second),
            }
            for stage in stages
        ],
        queues=[_queue(name, (first, second), restricted) for name in QUEUES],
        provenance=_provenance(first, second),
    )


def compared(stage: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Compared]:
    """Every metric of a stage that one of both has."""
    keys = dict.fromkeys([*_keys(first.get(stage, {})), *_keys(second.get(stage, {}))])
    return [_compared(f"{stage}.{key}", key, first, second) for key in keys]


def _compared(path: str, name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Compared:
    told = _told(first, path), _told(second, path)
    before, after = metric_at(first, path), metric_at(second, path)
    if before is None or after is None:
        return Compared(name, *told, NO_PLACE, "")
    return Compared(name, *told, *difference(before, after, (half_width(first, path), half_width(second, path))))


def _gates(
    first: Run, second: Run, shown: Sequence[Mapping[str, Any]]
) -> list[tuple[GateResult, GateResult, Compared, list[str]]]:
    """Both verdicts on each gate, its value in both, and how far each lies beyond its bound."""
    return [
        (
            one,
            other,
            _compared(one.metric, one.metric, *shown),
            [_beyond(*of) for of in zip((one, other), shown, strict=True)],
        )
        for one, other in zip(first.gates, second.gates, strict=True)
    ]


def _beyond(gate: GateResult, shown: Mapping[str, Any]) -> str:
    """A gate's distance in words; none where its value is not shown, which it would tell."""
    hidden = metric_at(shown, gate.metric) is None
    return NO_PLACE if gate.distance is None or hidden else f"{gate.distance:.4g}"


def _keys(values: Any, prefix: str = "") -> list[str]:
    """Dotted keys of all that is no table."""
    keys: list[str] = []
    for key, value in values.items():
        keys += _keys(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"]
    return keys


def _told(metrics: Any, path: str) -> str:
    for part in path.split("."):
        metrics = metrics.get(part) if isinstance(metrics, Mapping) else None
    if metrics is None:
        return NO_PLACE
    if isinstance(metrics, list):
        return ", ".join(map(str, metrics))
    return f"{metrics:.6g}" if isinstance(metrics, float) else str(metrics)


def _tables(stage: str, shown: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> list[Table]:
    """The report's tables of a stage, of both runs."""
    before, after = (stage_tables(stage, metrics.get(stage, {})) for metrics in shown)
    return compared_tables(before, after, names)


def _asked(first: Run, second: Run, shown: Sequence[Mapping[str, Any]]) -> list[Table]:
    """What was asked of the synthesis and what it made, of both runs."""
    before, after = (synthesis_tables(of, run.manifests) for of, run in zip(shown, (first, second), strict=True))
    return compared_tables(before, after, (first.name, second.name))


def _queue(name: str, runs: Sequence[Run], restricted: bool) -> dict[str, Any]:
    """What a queue of comparisons found in either run: tables of trainings of their own, so one after the other."""
    found = [queue_section(name, run.queues.get(name, ""), run.manifests, restricted) for run in runs]
    tables = [
        replace(table, title=f"{run.name}: {table.title}" if table.title else run.name)
        for run, section in zip(runs, found, strict=True)
        for table in section["tables"]
    ]
    of_another = [run.name for run, section in zip(runs, found, strict=True) if section["of_another_corpus"]]
    hidden = any(section["hidden"] for section in found)
    return {**found[0], "tables": tables, "hidden": hidden, "of_another_corpus": of_another}


def _provenance(first: Run, second: Run) -> dict[str, Any]:
    """The section with hashes of both."""
    table = compared_provenance(first.manifests, second.manifests, (first.name, second.name))
    return {"title": table.title, "tables": [replace(table, title="")] if table.rows else []}


def _charts(stage: str, first: Run, second: Run) -> list[tuple[str, Markup]]:
    """Learning curves of both in one chart for each network and term that one of them has."""
    of_both = [run.curves.get(stage, {}) for run in (first, second)]
    names = sorted({(network, term) for of in of_both for network, terms in of.items() for term in terms})
    charts = []
    for network, term in names:
        curves = [of.get(network, {}).get(term, {"x": [], "y": []}) for of in of_both]
        chart = line_chart(*((curve["x"], curve["y"]) for curve in curves))
        charts.append((f"{network}: {term}", Markup(chart)))
    return charts


def _pictures(stage: str, first: Run, second: Run) -> list[tuple[str, list[str], list[str]]]:
    """Names of a stage's pictures, and captions and data URIs of both runs'; "" where one has none."""
    names = dict.fromkeys(
        name for run in (first, second) for name in run.pictures if name.startswith(f"{stage}/plots/")
    )
    of_both = {name: [run.pictures.get(name) for run in (first, second)] for name in names}
    return [
        (
            Path(name).stem,
            [caption(name, drawn) if drawn else Path(name).stem for drawn in pictures],
            [data_uri(Path(name).suffix, drawn) if drawn else "" for drawn in pictures],
        )
        for name, pictures in of_both.items()
    ]
