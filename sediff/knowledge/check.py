"""Whether an answer is a report that may be used: schema, ranges, citations, and no identifier of a patient."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from pydantic import ValidationError

from sediff.knowledge.report import Report

SHORTEST_ID = 5  # characters; below, the number of a record is too often a measured value as well
SHOWN = 3  # faults that the model is told of
MONTH = (
    r"(?:(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)|May)\b"  # "5 may show" is no date
)
DAY = r"(?:0?[1-9]|[12]\d|3[01])"  # or month
UNIT = r" ?(?:ms|µV|uV|bpm|Hz|samples)\b"
IDENTIFIERS = {
    "a date": re.compile(
        rf"(?<![\d.,])(?:\d{{4}}-\d{{1,2}}-\d{{1,2}}|{DAY}([./-]){DAY}\1(?:\d{{4}}|\d\d))(?!\d)"
        rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\.? (?:of )?{MONTH}|\b{MONTH}\.?,? \d{{1,2}}(?:st|nd|rd|th)?\b"
        rf"|\b{MONTH}\.?,? (?:19|20)\d\d\b|(?<![\d.,-])(?:19|20)\d\d\b(?!{UNIT})|(?<!\d)\d{{1,2}}:\d\d(?!\d)"
    ),
    "a long number": re.compile(r"(?<![\d.])(?:\d{5,}|\d{3}[-. ]\d{2,3}[-. ]\d{4})"),
    "a name": re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau)\b\.? +[A-ZÄÖÜ]"),
    "an address": re.compile(r"\S@\S|https?:", re.IGNORECASE),
}
NEIGHBOUR = re.compile(r"\bN\d+\b")
LENGTHS = {"string_too_long", "string_too_short", "too_long", "too_short"}
RANGES = {"value_error", "greater_than_equal", "less_than_equal", "finite_number"}


class Verdict(NamedTuple):
    """A report, or what is wrong: in a word, and as the model is told it."""

    report: Report | None
    fault: str | None = None
    told: str = ""


def check(answer: Mapping[str, Any], cited: Set[str], identifiers: Set[str]) -> Verdict:
    """Check an answer as `ask` returns it.

    Args:
        cited: the neighbours that the prompt names.
        identifiers: ids of the records and patients concerned.
    """
    if answer["finish_reason"] == "content_filter" or answer["refusal"] or answer["content"] is None:
        return Verdict(None, "refusal", "it was a refusal, or empty")
    if answer["finish_reason"] == "length":
        return Verdict(None, "length", "it was cut off, being too long: be brief")
    try:
        report = Report.model_validate_json(_tidy(answer["content"]), strict=True)
    except ValidationError as error:
        return _invalid(error)
    texts = list(_texts(report))
    unknown = sorted({*report.cited, *(name for text in texts for name in NEIGHBOUR.findall(text))} - cited)
    if unknown or not report.cited:
        return Verdict(None, "citation", "`cited` must name neighbours of the prompt, at least one, and no other")
    for what, found in _identifying(texts, identifiers):
        return Verdict(None, "identifier", f"it has {what} ({found!r}), which could name a patient")
    return Verdict(report)


def _tidy(content: str) -> str:
    """The answer as it is kept if it is good: what is no JSON stays as it is, for the schema to refuse."""
    try:
        return json.dumps(_plain(json.loads(content)))
    except (ValueError, RecursionError):
        return content


def _plain(node: Any) -> Any:
    """Nested values whose texts have single spaces for white space, and no characters that are not printed."""
    if isinstance(node, str):
        shown = (character for character in node if character.isprintable() or character.isspace())
        return " ".join("".join(shown).split())
    if isinstance(node, dict):
        return {name: _plain(value) for name, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def _invalid(error: ValidationError) -> Verdict:
    """The worst of the faults: a wrong shape before a wrong length, before a value out of range."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    kinds = {fault["type"] for fault in faults}
    name = "range" if kinds <= RANGES else "length" if kinds <= RANGES | LENGTHS else "schema"
    told = [f"{'.'.join(map(str, fault['loc'])) or 'the answer'}: {fault['msg']}" for fault in faults[:SHOWN]]
    return Verdict(None, name, "; ".join(told))


def _texts(report: Report) -> Iterator[str]:
    yield report.rhythm
    yield from report.findings
    yield from (lead.shape for lead in report.morphology)
    yield report.text


def _identifying(texts: Iterable[str], identifiers: Set[str]) -> Iterator[tuple[str, str]]:
    """What could identify a patient: a kind of thing, and the words."""
    parts = identifying_parts(identifiers)
    for text in texts:
        for what, pattern in IDENTIFIERS.items():
            found = pattern.search(text)
            if found:
                yield what, found.group()
        words = set(re.findall(r"[\w/.-]+", text.lower()))
        words |= {part for word in words for part in (word.strip("./-"), *re.findall(r"\w+", word))}
        for name in sorted(parts & words):
            yield "an id", name


def identifying_parts(identifiers: Iterable[str]) -> set[str]:
    """Ids and what follows the name of their source, in lower case, without those too short to tell from a value."""
    parts = {part.lower() for name in identifiers for part in (name, name.rpartition("/")[2])}
    return {part for part in parts if len(part) >= SHORTEST_ID}
