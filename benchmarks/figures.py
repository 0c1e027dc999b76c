"""README's figures of one or more runs, as tables: `python benchmarks/figures.py NAME=reports OTHER=FOLDER/reports`.

A run is named by its folder of reports; its stage times come from `runs/` beside it.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sediff.report.measured import measured

Metrics = dict[str, Any]
ROWS: tuple[tuple[str, Callable[[Metrics], str]], ...] = (
    ("records read; set aside", lambda m: f"{m['corpus']['records']:,}; {m['corpus']['quarantined']}"),
    ("test records made with the conditions of", lambda m: f"{m['evaluation']['records']}"),
    ("heart rate, mean absolute error", lambda m: f"{m['evaluation']['heart_rate']['mae_bpm']:.2f} bpm"),
    ("in fibrillation; in ectopy", lambda m: "; ".join(_rate(m, rhythm) for rhythm in ("fibrillation", "ectopy"))),
    ("RMSSD / RR in sinus rhythm, median; real", lambda m: _rhythm(m, "sinus", "median", "{:.3f}")),
    ("irregular in atrial fibrillation; real", lambda m: _rhythm(m, "fibrillation", "irregular", "{:.0%}")),
    ("irregular in sinus rhythm; real", lambda m: _rhythm(m, "sinus", "irregular", "{:.1%}")),
    ("early wide beats a record with PVC; real", lambda m: _premature(m)),
    ("PR, QRS, QT, medians off real's; the autoencoder's", lambda m: _off(m)),
    ("PR, QRS, QT, deviation over real's; the autoencoder's", lambda m: _spread(m)),
    ("FD, median of the draws; real against real", lambda m: f"{_fd(m, 'synthetic')}; {_fd(m, 'real')}"),
    ("FD of shuffled leads; of noise", lambda m: f"{_fd(m, 'shuffled_leads')}; {_fd(m, 'noise')}"),
    ("coverage", lambda m: f"{m['evaluation']['distribution']['coverage']:.2f}"),
    ("density, over real's", lambda m: _over_floor(m, "density")),
    ("spectra, distance from real's; real's halves; noise", lambda m: _spectra(m)),
    ("AUROC of the judge; on real; labels shuffled", lambda m: _agreement(m)),
    ("CLIP score, mean; of real; of another text", lambda m: _clip(m)),
    ("the simulator alone: FD, coverage, AUROC", lambda m: _simulator(m)),
    ("near-copies of training records", lambda m: f"{m['evaluation']['privacy']['near_copies']}"),
    ("planted copies found", lambda m: f"{m['evaluation']['privacy']['planted_copies_found']:.0%}"),
    ("autoencoder, median absolute error", lambda m: f"{m['autoencoder']['absolute_error_uv']['median']:.0f} µV"),
    ("classifier's AUROC: real; synthetic; both", lambda m: _usefulness(m)),
    ("time of all stages", lambda m: f"{sum(m['seconds'].values()) / 60:.1f} min"),
    ("of which training", lambda m: f"{sum(m['seconds'].get(s, 0) for s in TRAINED) / 60:.1f} min"),
)
LEFT_OUT = "–"
TRAINED = ("autoencoder", "encoder@conditioner", "encoder@judges", "diffusion")


def read(reports: Path) -> Metrics:
    """All metrics of a run by stage, and the seconds that each stage's last attempt took."""
    found = {path.parent.name: json.loads(path.read_text()) for path in sorted(reports.glob("*/metrics.json"))}
    metrics = measured(found)
    runs = [json.loads(path.read_text()) for path in (reports.parent / "runs").glob("*/*/*.json")]
    last = {run["stage"]: run["seconds"] for run in sorted(runs, key=lambda run: run["started"])}
    return metrics | {"seconds": last}


def _rate(metrics: Metrics, rhythm: str) -> str:
    found = metrics["evaluation"]["heart_rate"].get("by_rhythm", {}).get(rhythm) or {}
    return f"{found['synthetic']['mae_bpm']:.2f} bpm" if "synthetic" in found else LEFT_OUT


def _premature(metrics: Metrics) -> str:
    found = metrics["evaluation"]["early_wide_beats"].get("count") or {}
    return "; ".join(f"{found[side]:.1f}" for side in ("synthetic", "real")) if "real" in found else LEFT_OUT


def _rhythm(metrics: Metrics, rhythm: str, name: str, form: str) -> str:
    values = metrics["evaluation"]["rhythm"].get(rhythm) or {}
    return "; ".join(form.format(values[f"{name}_{side}"]) for side in ("synthetic", "real") if values)


def _off(metrics: Metrics) -> str:
    """Medians of the records that are made, less the median of real ones, and of these encoded and decoded."""
    return "; ".join(
        ", ".join(f"{value:+.0f}" for value in _intervals(metrics, "median_difference", side)) + " ms"
        for side in ("synthetic", "reconstructed")
    )


def _spread(metrics: Metrics) -> str:
    return "; ".join(
        ", ".join(f"{value:.2f}" for value in _intervals(metrics, "deviation_ratio", side))
        for side in ("synthetic", "reconstructed")
    )


def _intervals(metrics: Metrics, name: str, side: str) -> list[float]:
    return [metrics["evaluation"]["intervals"][of]["all"][name][side] for of in ("pr", "qrs_duration", "qt")]


def _fd(metrics: Metrics, side: str) -> str:
    return f"{metrics['evaluation']['distribution'][side]['fd']['median']:.1f}"


def _over_floor(metrics: Metrics, metric: str) -> str:
    return f"{metrics['evaluation']['distribution']['over_floor']['synthetic'][metric]['median']:.2f}"


def _spectra(metrics: Metrics) -> str:
    found = metrics["evaluation"]["spectra"]["all"]
    return "; ".join(f"{found[side]['median']:.1f} dB" for side in ("synthetic", "real", "noise"))


def _simulator(metrics: Metrics) -> str:
    found = metrics["evaluation"]
    coverage = found["distribution"]["simulator"]["coverage"]["median"]
    return f"{_fd(metrics, 'simulator')}; {coverage:.2f}; {found['agreement']['auroc_simulator']:.3f}"


def _agreement(metrics: Metrics) -> str:
    return "; ".join(
        f"{metrics['evaluation']['agreement'][f'auroc_{s}']:.3f}" for s in ("synthetic", "real", "shuffled")
    )


def _clip(metrics: Metrics) -> str:
    return "; ".join(f"{metrics['evaluation']['clip'][side]['mean']:.3f}" for side in ("synthetic", "real", "shuffled"))


def _usefulness(metrics: Metrics) -> str:
    return "; ".join(f"{metrics['augmentation'][side]['macro_auroc']:.3f}" for side in ("real", "synthetic", "both"))


def main() -> None:
    """Print a table in Markdown, a column for each run, and the seconds of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=REPORTS")
    pairs = [run.partition("=")[::2] for run in parser.parse_args().runs]
    runs = {name: read(Path(folder)) for name, folder in pairs}
    print(f"| | {' | '.join(runs)} |\n|---|{'---|' * len(runs)}")
    for label, value in ROWS:
        print(f"| {label} | {' | '.join(value(run) for run in runs.values())} |")
    print(f"\n| stage, seconds | {' | '.join(runs)} |\n|---|{'---|' * len(runs)}")
    for stage in next(iter(runs.values()))["seconds"]:
        seconds = [f"{run['seconds'].get(stage, 0):.0f}" for run in runs.values()]
        print(f"| `{stage}` | {' | '.join(seconds)} |")


if __name__ == "__main__":
    main()
