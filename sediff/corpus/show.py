"""What is in the corpus, as lines for a terminal, from the stage's metrics."""

from collections.abc import Mapping
from typing import Any

from sediff.corpus.canaries import CANARY
from sediff.corpus.screening import REPAIRS, RULES
from sediff.vocabulary import Vocabulary

UNIT = {"age": "years", "heart_rate": "bpm", "pr": "ms", "qrs_duration": "ms", "qt": "ms", "qtcf": "ms"}


def corpus_lines(metrics: Mapping[str, Any], vocabulary: Vocabulary) -> list[str]:
    """Records, patients, sources, splits, sex, age, rate, intervals, statements and what was set aside and why."""
    quartiles = {"age": metrics["age"], "heart_rate": metrics["heart_rate"], **metrics["intervals"]}
    names = {code: vocabulary[code].name for code in (*metrics["statements"], *metrics["uncertain"])}
    return [
        f"{metrics['records']} records of {metrics['patients']} patients, {metrics['quarantined']} set aside",
        *_counts("sources", metrics["sources"]),
        *_counts("splits", metrics["splits"]),
        *_counts("sex", metrics["sexes"]),
        "",
        f"{'':<16}{'lower quartile':>15}{'median':>10}{'upper quartile':>15}",
        *(_quartiles(name, values) for name, values in quartiles.items() if values),
        *_counts("set aside", metrics["quarantine"], RULES),
        *_counts("repaired", metrics["repairs"], REPAIRS | {CANARY: "runs backwards: planted for the privacy audit"}),
        *_counts("report languages", metrics["report_languages"]),
        *_counts("statements", metrics["statements"], names),
        *_counts("possible statements", metrics["uncertain"], names),
        *_counts(f"not understood, the most frequent of {metrics['unmapped_distinct']}", metrics["unmapped"]),
    ]


def _counts(title: str, counts: Mapping[str, int], meanings: Mapping[str, str] | None = None) -> list[str]:
    """A heading and a line for each entry, the most frequent first; nothing without entries."""
    if not counts:
        return []
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ["", title, *(f"{count:>9}  {name:<18}{(meanings or {}).get(name, '')}".rstrip() for name, count in ordered)]


def _quartiles(name: str, values: Mapping[str, float]) -> str:
    low, median, high = (values[key] for key in ("lower_quartile", "median", "upper_quartile"))
    return f"{name:<16}{low:>15.1f}{median:>10.1f}{high:>15.1f} {UNIT[name]}"
