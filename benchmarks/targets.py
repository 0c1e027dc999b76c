"""The targets of the generator, and whether a run meets them: `python benchmarks/targets.py REPORTS_FOLDER`.

Prints a table in Markdown from the folder's metrics alone: each figure, the floor (real records against real ones),
the autoencoder's own share (the same measure on reconstructions of the real records), the targets of the profiles
`laptop`, `workstation` and `gpu`, and which of these are met. "open" is a figure without a target. Diversity has more
rows, of many records of each condition, where `diversity.py` has run. FD and KID are taken at as many records as two
halves of the held-out patients allow; where these are fewer than 2,000, a second row says what they come to at that
number.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sediff.evaluation.strata import STRATA
from sediff.report.measured import measured

Metrics = Mapping[str, Any]
Bounds = tuple[float | None, float | None]  # lowest and highest that meet a target
OPEN: Bounds = (None, None)
PROFILES = ("laptop", "workstation", "gpu")
RECORDS = 2000  # that FD is extrapolated to


@dataclass(frozen=True)
class Figure:
    """A measured value, what it is for the floor and for the autoencoder alone, and what is to be said of it.

    The value is None where the run left it out, which the note says.
    """

    value: float | None
    floor: float | None = None
    autoencoder: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A row: name, where its figures come from, and the bounds of each profile."""

    name: str
    figures: Callable[[Metrics], list[Figure]]
    bounds: tuple[Bounds, Bounds, Bounds]


def _at_most(*highest: float | None) -> tuple[Bounds, Bounds, Bounds]:
    laptop, workstation, gpu = highest
    return (None, laptop), (None, workstation), (None, gpu)


def _at_least(laptop: float, workstation: float, gpu: float) -> tuple[Bounds, Bounds, Bounds]:
    return (laptop, None), (workstation, None), (gpu, None)


def _rate(m: Metrics) -> list[Figure]:
    rate = m["evaluation"]["heart_rate"]
    key = "mae_sinus_bpm"
    return [Figure(rate[key], rate["real"][key], rate["reconstructed"][key], _failures(rate))]


def _failures(rate: Metrics) -> str:
    return f"no rate in {rate['detector_failures']} records"


def _dispersion(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["dispersion"]
    strata = [name for name in STRATA if name in found]
    told = ", ".join(f"{name} {found[name]['over_floor']['synthetic']:.2f}" for name in strata)
    ratio = found["pooled"]["over_floor"]
    return [Figure(ratio["synthetic"]["mean"], 1, ratio["reconstructed"]["mean"], told)]


def _irregular(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["irregular_sinus"]
    difference = {name: 100 * of["mean"] for name, of in found["difference"].items()}
    note = f"{found['synthetic']:.1%} against {found['real']:.1%}, {_points(found)}"
    return [Figure(difference["synthetic"], 100 * found["real_halves"], difference["reconstructed"], note)]


def _points(found: Metrics) -> str:
    difference = found["difference"]["synthetic"]
    return f"{100 * difference['low']:.1f} to {100 * difference['high']:.1f} of {found['records']} records"


def _p_waves(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["p_waves"]["sinus"]
    note = f"{found['synthetic']:.3f} of beats against {found['real']:.3f}"
    return [Figure(found["over_real"]["synthetic"], 1, found["over_real"]["reconstructed"], note)]


def _false_p_waves(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["p_waves"]["fibrillation"]
    difference = {name: 100 * of["mean"] for name, of in found["difference"].items()}
    note = f"{found['synthetic']:.3f} of beats against {found['real']:.3f}, {_points(found)}"
    return [Figure(difference["synthetic"], 100 * found["real_halves"], difference["reconstructed"], note)]


def _distance(metric: str) -> Callable[[Metrics], list[Figure]]:
    """FD or KID over the floor, at the number of records compared and at 2,000.

    FD's bias, which is all of its floor, and the size of KID's floor both fall with one over the number of records
    (Chong and Forsyth 2020; the kernel's statistic is degenerate where both sets are alike). So the same distance is a
    larger multiple of the floor at more records.
    """

    def figures(m: Metrics) -> list[Figure]:
        found = m["evaluation"]["distribution"]
        ratio = {name: of[metric]["median"] for name, of in found["over_floor"].items()}
        scale = found["real"]["fd"]["median"] if metric == "fd" else found["kid_scale"]
        count = found["records_compared"]
        controls = f"noise {ratio['noise']:.0f}, leads shuffled {ratio['shuffled_leads']:.0f}"
        note = f"N = {count:,}: {found['synthetic'][metric]['median']:.3g} over {scale:.3g}; {controls}"
        here = Figure(ratio["synthetic"], 1, ratio["reconstructed"], note)
        if count >= RECORDS:
            return [here]
        bias = float(metric == "fd")
        more = {name: bias + (value - bias) * RECORDS / count for name, value in ratio.items()}
        return [here, Figure(more["synthetic"], 1, more["reconstructed"], f"N = {RECORDS:,}, extrapolated")]

    return figures


def _coverage(m: Metrics) -> list[Figure]:
    ratio = {name: of["coverage"]["median"] for name, of in m["evaluation"]["distribution"]["over_floor"].items()}
    note = f"noise {ratio['noise']:.2f}, leads shuffled {ratio['shuffled_leads']:.2f}"
    return [Figure(ratio["synthetic"], 1, ratio["reconstructed"], note)]


def _auroc(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["agreement"]
    ratio = found["over_real"]
    note = f"{found['auroc_synthetic']:.3f} over {found['auroc_real']:.3f}; shuffled {found['auroc_shuffled']:.3f}"
    return [Figure(ratio["synthetic"]["ratio"], 1, ratio["reconstructed"]["ratio"], note)]


def _deviation(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["deviation"]
    return [
        Figure(
            found["synthetic"][end], found.get("real_halves", {}).get(end), found["reconstructed"][end], f"{end} lead"
        )
        for end in ("lowest", "highest")
    ]


def _consistency(m: Metrics) -> list[Figure]:
    found = m["evaluation"]["beat_consistency"]
    figures = []
    for stratum in (name for name in STRATA if name in found):
        of, difference = found[stratum], found[stratum]["difference"]
        note = f"{stratum}: {of['synthetic']:.3f} against {of['real']:.3f}"
        own = difference["reconstructed"]["mean"]
        figures.append(Figure(difference["synthetic"]["mean"], of["real_halves"], own, note))
    return figures


def _diversity(m: Metrics) -> list[Figure]:
    """Within groups of like conditions, as the evaluation has it, and within conditions as `diversity.py` has it."""
    return [*_within_groups(m.get("evaluation", {}).get("diversity", {})), *_within_conditions(m.get("diversity", {}))]


def _within_groups(found: Metrics) -> Iterator[Figure]:
    if "left_out" in found:
        yield Figure(None, note=f"too few: {found['left_out']}")
    elif found:
        ratio = found["over_real"]
        note = f"{found['conditions']} groups of like conditions, {ratio['low']:.2f} to {ratio['high']:.2f}"
        yield Figure(ratio["ratio"], 1, found["reconstructed"]["ratio"], note)


def _within_conditions(found: Metrics) -> Iterator[Figure]:
    for judge, of in found.items():
        if isinstance(of, dict):
            note = f"judge of {judge}s, {found['conditions']} conditions × {found['records']}"
            own = of["reconstructed"]["over_real"]["ratio"]
            yield Figure(of["synthetic"]["over_real"]["ratio"], 1, own, note)


def _usefulness(m: Metrics) -> list[Figure]:
    found = m["augmentation"]
    told = (
        f"{arm} {found[arm]['macro_auroc']:.3f} ({found[arm]['low']:.3f} to {found[arm]['high']:.3f})" for arm in ARMS
    )
    note = f"{', '.join(told)}; n = {found['real_records']:,} and {found['synthetic_records']:,}"
    return [Figure(found["real"]["macro_auroc"] - found["synthetic"]["macro_auroc"], note=note)]


ARMS = ("real", "synthetic", "both")
TARGETS = (
    Target("heart rate, mean absolute error in sinus rhythms (bpm)", _rate, _at_most(4, 1.5, 0.8)),
    Target("Wasserstein distance of RMSSD / mean RR, × floor", _dispersion, _at_most(None, 2, 1.5)),
    Target("irregular sinus rhythm, above real (points)", _irregular, _at_most(None, 5, 3)),
    Target("P before QRS in sinus rhythm, share of real's", _p_waves, _at_least(0.8, 0.95, 0.98)),
    Target("P in atrial fibrillation, above real (points)", _false_p_waves, _at_most(0, 0, 0)),
    Target("FD, × floor", _distance("fd"), _at_most(40, 8, 3)),
    Target("KID, × floor", _distance("kid"), _at_most(40, 8, 3)),
    Target("coverage, share of real–real", _coverage, _at_least(0.90, 0.97, 0.99)),
    Target("AUROC of the judge, share of real's", _auroc, ((0.92, 1.03), (0.97, 1.02), (0.98, 1.02))),
    Target("standard deviation, share of real's", _deviation, ((0.90, 1.10), (0.96, 1.04), (0.98, 1.02))),
    Target("beat consistency, from real", _consistency, ((-0.04, 0.04), (-0.01, 0.01), (-0.004, 0.004))),
    Target("diversity within a condition, over real", _diversity, (OPEN, (0.85, 1.15), (0.9, 1.1))),
    Target("trained on synthetic, AUROC below real-trained", _usefulness, _at_most(None, 0.02, 0.01)),
)


def lines(metrics: Metrics) -> Iterator[str]:
    """The table's rows; a figure that the run has not measured says so."""
    yield f"| measure | figure | floor | autoencoder alone | {' | '.join(PROFILES)} | beside it |"
    yield f"|{'---|' * 8}"
    for target in TARGETS:
        try:
            figures = target.figures(metrics)
        except KeyError:
            figures = []
        if not figures:
            yield f"| {target.name} | not measured | | | {' | '.join(map(_told, target.bounds))} | |"
        for figure in figures:
            met = [_met(figure.value, bounds) for bounds in target.bounds]
            value = "not measured" if figure.value is None else _number(figure.value)
            cells = (value, _number(figure.floor), _number(figure.autoencoder), *met, figure.note)
            yield f"| {target.name} | {' | '.join(cells)} |"


def _met(value: float | None, bounds: Bounds) -> str:
    lowest, highest = bounds
    if bounds == OPEN or value is None:
        return _told(bounds)
    inside = (lowest is None or value >= lowest) and (highest is None or value <= highest)
    return f"{_told(bounds)}: {'met' if inside else 'not met'}"


def _told(bounds: Bounds) -> str:
    lowest, highest = bounds
    if lowest is None:
        return "open" if highest is None else f"≤ {highest:g}"
    return f"≥ {lowest:g}" if highest is None else f"{lowest:g} to {highest:g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def read(reports: Path) -> Metrics:
    """Metrics of a folder of reports by stage."""
    return measured({path.parent.name: json.loads(path.read_text()) for path in sorted(reports.glob("*/metrics.json"))})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, metavar="REPORTS_FOLDER")
    metrics = read(parser.parse_args().reports)
    print("\n".join(lines(metrics)))
    for note in metrics.get("evaluation", {}).get("left_out", []):
        print(f"\nNot measured: {note}.")


if __name__ == "__main__":
    main()
