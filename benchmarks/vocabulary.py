"""How well PTB-XL's reports are read, against its SCP codes: `python benchmarks/vocabulary.py PATH_TO_PTB_XL`.

The reference: a code is present where its likelihood is 0 (unstated) or at least 50 %, and possible below. The text:
what `Vocabulary.find` says. "Present" compares what the text says is present with codes that are; "named" compares what
it says is present or uncertain with codes of any likelihood. What follows "Edit:" in a report is cut off first: there
the annotators wrote down the codes themselves.

The codes are no transcript of the reports: cardiologists revised them with the ECG before their eyes, code what a
report calls possible, and leave out what it says. So neither figure can reach 1; the plain search for any phrase as a
substring, which knows no negation and no longer phrase, is the control. Statements are the 25 most frequent in folds 1
to 8, on which the synonyms were tuned; fold 9, which is reported, was not looked at. Reads `knowledge/` of the working
directory.
"""

import argparse
import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from sediff.language import detect_language
from sediff.vocabulary import Vocabulary

MOST_FREQUENT = 25
TUNED_ON = range(1, 9)
CERTAIN = 50.0  # percent
EDIT = re.compile(r"\bEdit:.*", re.IGNORECASE | re.DOTALL)


class Report(NamedTuple):
    """A report, what is read in it, what is coded of its ECG, and which groups it belongs to."""

    text: str
    fold: int
    present: frozenset[str]
    named: frozenset[str]
    absent: frozenset[str]
    coded_present: frozenset[str]
    coded: frozenset[str]
    groups: frozenset[str]


Sets = Callable[[Report], tuple[Collection[str], Collection[str]]]  # what is said, and what is coded


def main() -> None:
    """Print the tables of one copy of PTB-XL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds ptbxl_database.csv")
    parser.add_argument("--folds", type=int, nargs="+", default=[9], help="that are reported")
    arguments = parser.parse_args()
    vocabulary = Vocabulary.load()
    reports = read_reports(arguments.folder, vocabulary)
    tuned = [report for report in reports if report.fold in TUNED_ON]
    frequent = [c for c, _ in Counter(c for r in tuned for c in sorted(r.coded_present)).most_common(MOST_FREQUENT)]
    every = sorted({code for report in tuned for code in report.coded})
    chosen = [report for report in reports if report.fold in arguments.folds]
    print(f"{len(chosen)} reports of folds {', '.join(map(str, arguments.folds))}\n")
    print("| micro-average | reports | precision, present | recall, present | precision, named | recall, named |")
    print("|---|---|---|---|---|---|")
    for name, group in groups(chosen):
        print(_line(name, group, frequent))
    print(_line(f"all, every statement ({len(every)})", chosen, every))
    print(_line("all, plain substrings", substrings(chosen, vocabulary), frequent))
    negated = [code in report.coded_present for report in chosen for code in report.absent]
    print(f"\nCalled absent: {len(negated)} findings, of which {negated.count(False)} are not coded as present.\n")
    print("| statement | coded in | precision | recall | precision, named | recall, named |")
    print("|---|---|---|---|---|---|")
    for code in frequent:
        coded = sum(code in report.coded_present for report in chosen)
        print(_line(f"{code} {vocabulary[code].name}", chosen, [code], coded))


def read_reports(folder: Path, vocabulary: Vocabulary) -> list[Report]:
    """All reports that are not empty, read."""
    columns = ["report", "scp_codes", "strat_fold"]
    table = pl.read_csv(folder / "ptbxl_database.csv", columns=columns, infer_schema_length=0).drop_nulls()
    known = abbreviations(vocabulary)
    reports = []
    for text, codes, fold in table.iter_rows():
        text = EDIT.sub("", text)
        found = vocabulary.find(text)
        said = {certainty: frozenset(c for c, own in found if own == certainty) for certainty in SAID}
        likelihoods = ast.literal_eval(codes)
        certain = frozenset(code for code, percent in likelihoods.items() if percent == 0 or percent >= CERTAIN)
        items = vocabulary.items(text)
        group = {f"language {detect_language(text) or 'not told'}"}
        group |= {"with negation"} if any(item.kind.startswith("absent") for item in items) else set()
        group |= {"with doubt"} if any(item.kind.startswith("uncertain") for item in items) else set()
        shortened = any(item.kind == "finding" and known & set(item.words.lower().split()) for item in items)
        group |= {"with abbreviations"} if shortened else set()
        named = said["present"] | said["uncertain"]
        reports.append(
            Report(
                text, int(float(fold)), said["present"], named, said["absent"], certain, frozenset(likelihoods),
                frozenset(group),
            )
        )  # fmt: skip
    return reports


SAID = ("present", "uncertain", "absent")


def abbreviations(vocabulary: Vocabulary) -> set[str]:
    """Words of the vocabulary's phrases that are written in capitals, such as LBBB and VES, in lower case."""
    words = {word for code in vocabulary.codes for phrase in vocabulary[code].phrases for word in phrase.split()}
    return {word.lower() for word in words if word.isupper() and word.isalpha() and len(word) > 2} - {"ecg", "qrs"}


def groups(reports: Sequence[Report]) -> Iterable[tuple[str, list[Report]]]:
    """All reports, and those of each group, the largest first."""
    yield "all", list(reports)
    for name, _ in sorted(Counter(g for r in reports for g in r.groups).items(), key=lambda pair: (-pair[1], pair[0])):
        yield name, [report for report in reports if name in report.groups]


def substrings(reports: Sequence[Report], vocabulary: Vocabulary) -> list[Report]:
    """The same reports, read as plain search does: a statement is present where a phrase of it is in the text."""
    phrases = {code: [phrase.lower() for phrase in vocabulary[code].phrases] for code in vocabulary.codes}
    read = []
    for report in reports:
        text = report.text.lower()
        found = frozenset(code for code, own in phrases.items() if any(phrase in text for phrase in own))
        read.append(report._replace(present=found, named=found))
    return read


def _line(name: str, reports: Sequence[Report], codes: Sequence[str], count: int | None = None) -> str:
    present = _shares(reports, codes, lambda report: (report.present, report.coded_present))
    named = _shares(reports, codes, lambda report: (report.named, report.coded))
    return f"| {name} | {len(reports) if count is None else count} | {' | '.join((*present, *named))} |"


def _shares(reports: Sequence[Report], codes: Sequence[str], sets: Sets) -> tuple[str, str]:
    """Micro-averaged precision and recall over the codes."""
    true = said = coded = 0
    wanted = set(codes)
    for report in reports:
        ours, theirs = (wanted.intersection(own) for own in sets(report))
        true, said, coded = true + len(ours & theirs), said + len(ours), coded + len(theirs)
    return tuple(f"{true / whole:.3f}" if whole else "-" for whole in (said, coded))


if __name__ == "__main__":
    main()
