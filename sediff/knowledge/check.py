"""Whether an answer is a report that may be used: schema, ranges, citations, and no identifier of a patient."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from pydantic import ValidationError

from sediff.knowledge.report import POSSIBLE, Report

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
NUMBER = r"[-+−]?\d+(?:\.\d+)?"
SPAN = rf"({NUMBER})(?: ?(?:-|–|to|and) ?({NUMBER}))?"
# What may stand between a quantity and its value: "QRS duration of about 90 ms", but not "QRS notch of 20 ms".
BETWEEN = (
    r"(?:[ (:=~<>]|\b(?:intervals?|durations?|complex(?:es)?|width|of|is|are|was|at|about|around|approximately|near"
    r"|roughly|expected|median|mean|prolonged|short(?:ened)?|wid(?:e|ened)|broad|narrow|normal|to|from|between|above"
    r"|below|under|over|up|more|less|longer|shorter|than|typically|usually|with|an?|the|rate)\b)*"
)
NO_CHANGE = r"\b(?! (?:longer|shorter|wider|narrower|more|less|faster|slower|higher|lower|above|below))"
TIME, RATE = rf"{BETWEEN}{SPAN} ?(ms|s){NO_CHANGE}", rf"{BETWEEN}{SPAN} ?(bpm|/ ?min|beats per minute){NO_CHANGE}"
BEATING = r"(?:(?:heart|ventricular|sinus|pulse) rate|HR|pulse|(?:sinus|regular) rhythm|sinus (?:tachy|brady)cardia)"
IN = {"s": 1000.0, "µV": 1e-3, "uV": 1e-3}  # ms and mV; what is not here is in these
# A quantity in words: how it stands there, and what physiology allows, bpm, ms and mV.
WORDS: dict[str, tuple[re.Pattern[str], tuple[float, float]]] = {
    "heart rate": (re.compile(rf"\b{BEATING}{RATE}", re.IGNORECASE), POSSIBLE["heart_rate"]),
    "PR": (re.compile(rf"\b(?:PR|PQ)\b{TIME}"), POSSIBLE["pr"]),
    "QRS": (re.compile(rf"\bQRS\b{TIME}"), POSSIBLE["qrs_duration"]),
    "QT": (re.compile(rf"\bQT\b{TIME}"), POSSIBLE["qt"]),
    "QTc": (re.compile(rf"\bQTc[FB]?\b{TIME}"), POSSIBLE["qtcf"]),
    "voltage": (re.compile(rf"(?<![\d.]){SPAN} ?(mV|µV|uV)\b"), (-10, 10)),
}
MINUTE = 60_000  # ms
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
    leads = [lead.lead for lead in report.morphology]
    if len(set(leads)) < len(leads):
        return Verdict(None, "schema", "`morphology` must have each lead once")
    for impossible in _impossible(report, texts):
        return Verdict(None, "range", impossible)
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


def _impossible(report: Report, texts: Iterable[str]) -> Iterator[str]:
    """What physiology does not allow, between the values and in words."""
    if report.qt and report.heart_rate and report.qt.expected > MINUTE / report.heart_rate.expected:
        yield "qt: a QT interval cannot be longer than the time between two beats at the expected heart_rate"
    for text in texts:
        for name, (pattern, (least, most)) in WORDS.items():
            for low, high, unit in pattern.findall(text):
                values = [float(number.replace("−", "-")) * IN.get(unit, 1) for number in (low, high) if number]
                if not all(least <= value <= most for value in values):
                    yield f"it states a {name} that is not between {least:g} and {most:g}"


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
