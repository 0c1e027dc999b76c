"""A run's whole evaluation as a page: `python benchmarks/evaluation.py CLONE > docs/results/evaluation.md`.

The tables are those of the run's own report (`sediff/report/tables.py`), read from the clone's `reports/`; how its
models were trained stands before them, from `data/*/manifest.json`, `runs/` and `params.yaml`. Of a restricted corpus
it is the public form.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sediff.configure import PROFILES
from sediff.files import read_out
from sediff.report.build import TITLES, read_manifests, read_metrics, stage_tables
from sediff.report.gates import check_gates, gates_table
from sediff.report.markdown import written
from sediff.report.measured import measured
from sediff.report.params import GatesParams
from sediff.report.public import public
from sediff.report.rows import NO_PLACE
from sediff.report.tables import Table

Metrics = Mapping[str, Any]
Manifests = Sequence[Mapping[str, Any]]
HEADING = """# The evaluation in full

Written by `python benchmarks/evaluation.py CLONE` from the reports of one run; the tables are those of the run's own
page, `reports/index.html`. Synthetic records are made with the conditions of test records, whose patients nothing was
trained on, one draw each, nothing selected. *Reconstructed*: the real records through the autoencoder and back.
*Simulator alone*: the class prior sampled for each condition, with no network behind it.
"""
SPLITS = ("train", "validation", "test", "audit")
TRAINING = ("steps", "batch_size", "learning_rate")  # what has all of them is a training


def page(clone: Path) -> Iterator[str]:
    """The page's blocks.

    Raises:
        UserError: a file of the run is damaged.
    """
    found, manifests = read_metrics(clone / "reports"), read_manifests(clone / "data")
    parameters = _parameters(manifests)
    restricted = any(source["sharing"] == "restricted" for source in parameters.get("corpus.sources", ()))
    shown = public(measured(found)) if restricted else measured(found)
    yield HEADING
    yield "## How it was made"
    yield _settings(parameters, shown)
    for table in (_splits(shown), _trainings(parameters), _stages(clone / "runs", manifests)):
        yield written(table)
    for stage, title in TITLES.items():
        if tables := stage_tables(stage, shown.get(stage, {})):
            yield f"## {title}"
            yield from map(written, tables)
    gates = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8")).get("gates", {})
    yield written(gates_table(check_gates(found, GatesParams.model_validate(gates)), shown), level=2)
    yield "## What was left out, and why"
    yield "\n".join(_left_out(shown)) or "Nothing."


def _parameters(manifests: Manifests) -> dict[str, Any]:
    """What the stages ran with, by dotted key."""
    return {key: value for manifest in manifests for key, value in _flat(manifest["parameters"])}


def _flat(values: Metrics, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _settings(parameters: Metrics, shown: Metrics) -> str:
    """Profile, corpus, folds, seed and sampler in words."""
    sources = shown.get("corpus", {}).get("sources", {})
    told = {
        "Profile": _profile(parameters),
        "Corpus": ", ".join(f"{name} ({_count(count)} records)" for name, count in sources.items()),
        "Folds": _told(parameters, "corpus.folds."),
        "Synthetic records, as many conditions of test records": _count(shown.get("evaluation", {}).get("records", "")),
        "Seed": str(parameters.get("reproducibility.seed", "")),
        "Sampler": _told(parameters, "synthesis.sampler."),
    }
    return "\n".join(f"- {name}: {value or NO_PLACE}" for name, value in told.items())


def _told(parameters: Metrics, section: str) -> str:
    found = {key.removeprefix(section): value for key, value in parameters.items() if key.startswith(section)}
    return "; ".join(f"{key.replace('_', ' ')} {_words(value)}" for key, value in found.items())


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _profile(parameters: Metrics) -> str:
    """The profile whose sizes are nearest these, with what differs."""
    differing = {
        path.stem: [
            f"{key} {parameters[key]} instead of {value}"
            for key, value in _flat(yaml.safe_load(path.read_text(encoding="utf-8")))
            if key in parameters and parameters[key] != value
        ]
        for path in sorted(PROFILES.glob("*.yaml"))
    }
    name = min(differing, key=lambda name: len(differing[name]))
    return f"`{name}`" + (f" but for {', '.join(differing[name])}" if differing[name] else "")


def _splits(shown: Metrics) -> Table:
    """Records by split."""
    found = shown.get("corpus", {}).get("splits", {})
    splits = {split: found[split] for split in SPLITS if split in found}
    note = "No patient is in two of them; audit: training patients from whom nothing learns, for the privacy audit."
    return Table("Records", note, tuple(splits), (tuple(_count(count) for count in splits.values()),))


def _trainings(parameters: Metrics) -> Table:
    """Steps, batch size and learning rate of each network."""
    networks = [key.removesuffix(".learning_rate") for key in parameters if key.endswith(".learning_rate")]
    cells = {name: [parameters.get(f"{name}.{key}") for key in TRAINING] for name in networks}
    rows = tuple((name, *map(_count, of)) for name, of in cells.items() if None not in of)
    note = "All other parameters stand in `params.yaml` of the commit, and in each stage's `data/*/manifest.json`."
    return Table("Training", note, ("Parameters of", "Steps", "Batch size", "Learning rate"), rows)


def _stages(runs: Path, manifests: Manifests) -> Table:
    """When each stage was run: the last attempt of the fingerprint that the reports are of."""
    rows = []
    for manifest in manifests:
        stage, fingerprint = manifest["stage"], manifest["fingerprint"]
        attempts = [read_out(path) for path in sorted((runs / stage / fingerprint).glob("*.json"))]
        last = max(attempts, key=lambda attempt: attempt["started"], default={})
        device = ", ".join(f"{name} {value}" for name, value in last.get("device", {}).items())
        seconds = f"{last['seconds']:,.0f}" if "seconds" in last else NO_PLACE
        rows.append((stage, seconds, device or NO_PLACE, _commit(last.get("commit", NO_PLACE)), fingerprint[:16]))
    total = sum(float(row[1].replace(",", "")) for row in rows if row[1] != NO_PLACE)
    head = ("Stage", "Seconds", "Device", "Commit", "Fingerprint")
    return Table("Stages", f"{total:,.0f} seconds in all, whatever else the machine did.", head, tuple(rows))


def _commit(name: str) -> str:
    """Its first digits, and whether files were changed since."""
    digits, dirty, _ = name.partition("-dirty")
    return digits[:7] + dirty


def _left_out(shown: Metrics) -> Iterator[str]:
    """What the stages left out, by reason."""
    reasons: dict[str, list[str]] = {}
    for stage in TITLES:
        for note in shown.get(stage, {}).get("left_out", ()):
            name, _, reason = note.rpartition(": ")
            reasons.setdefault(reason, []).append(f"`{stage}{'.' if name else ''}{name}`")
    for reason, names in reasons.items():
        yield f"- {reason}: {', '.join(names)}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, metavar="CLONE")
    print("\n\n".join(block.strip() for block in page(parser.parse_args().clone)))


if __name__ == "__main__":
    main()
