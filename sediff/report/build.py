"""The report stage: gates' verdict and `reports/index.html`, a pure function of metrics, plots and manifests."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sediff.files import read_out, replacing, write_json
from sediff.report.asked import synthesis_tables
from sediff.report.charts import line_chart
from sediff.report.gates import check_gates, gates_table
from sediff.report.markdown import corpus_of, tables_of
from sediff.report.measured import measured
from sediff.report.params import GatesParams
from sediff.report.public import public
from sediff.report.tables import Table, evaluation_tables, knowledge_tables, usefulness_tables
from sediff.report.tiles import tiles
from sediff.report.words import caption, gate_asks

STAGES = (
    "corpus",
    "simulator",
    "knowledge",
    "encoder/conditioner",
    "encoder/judges",
    "autoencoder",
    "diffusion",
    "synthesis/evaluation",
    "synthesis/augmentation",
    "synthesis/dataset",
    "evaluation",
    "augmentation",
)
TITLES = {
    "corpus": "Corpus",
    "simulator": "Simulator",
    "knowledge": "Knowledge",
    "encoder/conditioner": "Conditioner",
    "encoder/judges": "Judges",
    "autoencoder": "Autoencoder",
    "diffusion": "Denoiser",
    "evaluation": "Evaluation",
    "augmentation": "Usefulness",
}
TABLES = {"knowledge": knowledge_tables, "evaluation": evaluation_tables, "augmentation": usefulness_tables}
QUEUES = {"ablation": ("Ablation", "sediff ablate"), "study": ("Studies of usefulness", "sediff study")}
ASKED = "What was asked and made"
TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def build_report(
    reports: Path,
    data: Path,
    gates: GatesParams,
    page: Path,
    report: Path,
    restricted: bool = False,
    simulated: bool = False,
) -> str:
    """Write `page` and the verdict in `report/metrics.json`.

    Args:
        reports: folder with a folder for each stage: `metrics.json`, `curves.json`, `plots/`; and `tables/` of queues.
        data: folder with each stage's `manifest.json`.
        restricted: leave out pictures, whose points are patients, what sources say in their own words, and counts
            of few patients, as a page that others may see must.
        simulated: say that the corpus is.
    """
    metrics = read_metrics(reports)
    results = check_gates(metrics, gates)
    passed = all(result.passed for result in results)
    failed = [result.metric for result in results if not result.passed]
    write_json(report / "metrics.json", {"passed": int(passed), "gates": len(results), "failed": failed})
    shown = public(measured(metrics)) if restricted else measured(metrics)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    manifests = read_manifests(data)
    html = environment.get_template("template.html").render(
        passed=passed,
        gates=gates_table(results, shown),
        failed=list(map(gate_asks, failed)),
        metrics=shown,
        tiles=tiles(shown),
        asked={"title": ASKED, "tables": synthesis_tables(shown, manifests)},
        sections=[_section(stage, shown, reports, restricted) for stage in TITLES],
        pairs=[] if restricted else _pictures(reports, "evaluation", "pair-*.svg"),
        queues=[queue_section(name, text, manifests, restricted) for name, text in read_queues(reports).items()],
        manifests=manifests,
        restricted=restricted,
        simulated=simulated,
    )
    with replacing(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    verdict = "all gates passed" if passed else f"failed: {', '.join(failed)}"
    return f"{page}, {verdict}"


def read_metrics(reports: Path) -> dict[str, Any]:
    """Metrics by stage, of the stages that have run."""
    return {stage: read_out(path) for stage in STAGES if (path := reports / stage / "metrics.json").exists()}


def read_manifests(data: Path) -> list[dict[str, Any]]:
    """Each stage's fingerprint and what it is a hash of, in the order of the stages."""
    return [read_out(path) for stage in STAGES if (path := data / stage / "manifest.json").exists()]


def stage_tables(stage: str, metrics: Mapping[str, Any]) -> list[Table]:
    """The tables of a stage's metrics; most have none.

    Args:
        metrics: of the stage, without what was left out.
    """
    return TABLES[stage](metrics) if stage in TABLES else []


def _section(stage: str, metrics: dict[str, Any], reports: Path, restricted: bool) -> dict[str, Any]:
    """What the page shows of a stage: its numbers, pictures and learning curves."""
    folder = reports / stage
    curves = read_out(folder / "curves.json") if (folder / "curves.json").exists() else {}
    return {
        "name": stage,
        "title": TITLES[stage],
        "rows": _flat(metrics.get(stage, {})),
        "tables": stage_tables(stage, metrics.get(stage, {})),
        "pictures": [] if restricted else _pictures(reports, stage, "*.png"),
        "charts": [
            (f"{network}: {name}", Markup(line_chart((curve["x"], curve["y"]))))
            for network, terms in sorted(curves.items())
            for name, curve in sorted(terms.items())
            if any(curve["y"])  # a term that is off is 0 throughout
        ],
    }


def read_queues(reports: Path) -> dict[str, str]:
    """What each queue of comparisons wrote for the report, in Markdown; "" where nothing has been computed."""
    paths = {name: reports / "tables" / f"{name}.md" for name in QUEUES}
    return {name: path.read_text(encoding="utf-8") if path.exists() else "" for name, path in paths.items()}


def queue_section(name: str, text: str, manifests: Sequence[Mapping[str, Any]], restricted: bool) -> dict[str, Any]:
    """What a queue of comparisons found, with a word where it rests on another corpus than the page."""
    title, command = QUEUES[name]
    shown = "" if restricted else text
    here = {manifest["fingerprint"] for manifest in manifests if manifest["stage"] == "corpus"}
    return {
        "title": title,
        "command": command,
        "hidden": restricted and bool(text),
        "of_another_corpus": bool(shown) and corpus_of(shown) not in here,
        "tables": tables_of(shown),
    }


def _pictures(reports: Path, stage: str, pattern: str) -> list[tuple[str, str, str]]:
    """Name, caption and data URI of each picture of a stage."""
    pictures = {path: path.read_bytes() for path in sorted((reports / stage / "plots").glob(pattern))}
    return [
        (path.stem, caption(path.relative_to(reports).as_posix(), drawn), data_uri(path.suffix, drawn))
        for path, drawn in pictures.items()
    ]


def data_uri(suffix: str, picture: bytes) -> str:
    """A picture as a page can hold it."""
    return f"data:{TYPES[suffix]};base64,{base64.b64encode(picture).decode()}"


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested metrics as dotted names with their values."""
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else value))
    return rows
