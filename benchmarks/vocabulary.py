"""How well the vocabulary reads PTB-XL's reports, against its SCP codes.

    python benchmarks/vocabulary.py PATH_TO_PTB_XL

Prints precision and recall of what `Vocabulary.find` calls present, for the 25 most frequent statements, and their
micro-average for all reports and by language. The codes are no transcript of the reports (they were revised after them,
and code what a report calls possible), so neither can reach 1; the micro-average that takes uncertain findings as named
too is given beside it. Reads `knowledge/` of the working directory.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from sediff.language import detect_language
from sediff.vocabulary import Certainty, Vocabulary

MOST_FREQUENT = 25
PRESENT: tuple[Certainty, ...] = ("present",)
NAMED: tuple[Certainty, ...] = ("present", "uncertain")


class Report(NamedTuple):
    """A report's language, its findings, and the codes that it should have named."""

    language: str
    found: dict[str, Certainty]
    codes: set[str]


def main(folder: Path) -> None:
    """Print the table of one copy of PTB-XL."""
    vocabulary = Vocabulary.load()
    table = pl.read_csv(folder / "ptbxl_database.csv", columns=["report", "scp_codes"], infer_schema_length=0)
    reports = [
        Report(detect_language(text), dict(vocabulary.find(text)), set(ast.literal_eval(codes)))
        for text, codes in table.drop_nulls().iter_rows()
    ]
    frequent = [code for code, _ in Counter(c for report in reports for c in report.codes).most_common(MOST_FREQUENT)]
    print(f"{'':24}{'reports':>9}{'precision':>11}{'recall':>8}")
    for name, chosen in _groups(reports):
        print(_row(f"micro, {name}", chosen, frequent, PRESENT))
    print(_row("micro, with uncertain", reports, frequent, NAMED))
    for code in frequent:
        print(_row(code, reports, [code], PRESENT))


def _groups(reports: Sequence[Report]) -> Iterable[tuple[str, list[Report]]]:
    yield "all", list(reports)
    for language, _ in Counter(report.language for report in reports).most_common():
        yield language or "no language", [report for report in reports if report.language == language]


def _row(name: str, reports: Sequence[Report], codes: Sequence[str], said: tuple[Certainty, ...]) -> str:
    """Reports that have one of the codes, and micro-averaged precision and recall over the codes."""
    true = named = asked = 0
    for report in reports:
        found = {code for code in codes if report.found.get(code) in said}
        true += len(found & report.codes)
        named += len(found)
        asked += len(report.codes.intersection(codes))
    having = sum(not report.codes.isdisjoint(codes) for report in reports)
    return f"{name:24}{having:9d}{_share(true, named):>11}{_share(true, asked):>8}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python benchmarks/vocabulary.py PATH_TO_PTB_XL")
    main(Path(sys.argv[1]))
