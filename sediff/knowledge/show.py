"""What the knowledge store says, as lines for a terminal and as JSON."""

import difflib
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sediff.ecg import INDEPENDENT_LEADS, LEADS
from sediff.errors import UserError
from sediff.knowledge.distill import listed
from sediff.knowledge.experience import FILE, Experience, measured_column, read_experience_table
from sediff.knowledge.measures import MORPHOLOGY, SCALARS, VOLTAGES
from sediff.knowledge.profiles import VIEWS
from sediff.knowledge.query import MEANING, Answer, Neighbour
from sediff.knowledge.report import POSSIBLE
from sediff.knowledge.rhythms import share_in_words
from sediff.knowledge.statistics import MIN_KNOWN
from sediff.knowledge.store import Store
from sediff.knowledge.weights import effective_number
from sediff.pseudonyms import Pseudonyms
from sediff.simulator.ode import WAVES
from sediff.texts import one_line
from sediff.vocabulary import Vocabulary

PREFIX = "experience:"  # what an experience's id has before the record's
OF_TEXT = "query:"  # what the id of a text's experience begins with
# How the Jaccard index of a view is called, by the first word of what the view holds.
SHORT = {
    "diagnoses": "J_diag",
    "diagnostic": "J_diag",
    "medications": "J_med",
    "form": "J_form",
    "procedures": "J_proc",
    "rhythm": "J_rhythm",
}
SHOWN = 10  # neighbours with all their similarities; of the others, the score
FITTED_DIGITS = {"theta": 2, "a": 1, "b": 3}
WIDTH = 120  # of lines with many ids
FEW_KINDS = 3  # that are told by their names, more of them by their codes
FIXED = "\N{NO-BREAK SPACE}"  # between what stays on one line
CALLED = {
    "heart_rate": ("heart rate", "bpm"),
    "rmssd": ("RMSSD", "ms"),
    "pr": ("PR", "ms"),
    "qrs_duration": ("QRS duration", "ms"),
    "qt": ("QT", "ms"),
    "qtcf": ("QTcF", "ms"),
    "axis": ("QRS axis", "°"),
}
# What is measured in each lead, as the columns of a table are called.
IN_LEADS = {
    "amplitudes": "peak to peak",
    "p_amplitudes": "P",
    "r_amplitudes": "R",
    "s_amplitudes": "S",
    "t_amplitudes": "T",
    "st": "ST",
}
TOLD_ELSEWHERE = {"similarities", *map(measured_column, (*IN_LEADS, *MORPHOLOGY))}
UNITS = {"age": "years", "sex": "", "heart rate": "bpm"}


def understood_lines(answer: Answer, vocabulary: Vocabulary, given: Mapping[str, Any]) -> list[str]:
    """How a text was understood.

    Args:
        given: "age", "sex" and "heart rate" as given beside the text; None where not.
    """
    asked, person = answer.asked, answer.asked.person
    stated = {"age": person.age, "sex": person.sex, "heart rate": person.heart_rate}
    patient = [_stated(name, stated[name], given.get(name)) for name in UNITS]
    named = [_certain(vocabulary[code].name, certainty) for code, certainty in asked.statements]
    named += [
        _certain(_called(term.words, term.title), term.certainty)
        for term in asked.terms
        if term.words not in asked.stated or term.words in asked.differing
    ]
    # A rhythm of the past is none now, and a diagnosis.
    named = [f"{name} (diagnosis)" if f"{name} (absent)" in named else name for name in named]
    lacking = [term for term in asked.named() if not term.items and term.words not in asked.stated]
    unknown = [term.words for term in lacking if term.title not in answer.asked_as]
    lines = [f"understood: {', '.join(named) or 'no statement, drug or diagnosis; the words alone count'}"]
    if any(patient):
        lines.append(f"patient: {', '.join(filter(None, patient))}")
    unknown += [vocabulary[code].name for code in answer.unknown]
    if unknown:
        lines.append(f"in no training patient's record: {', '.join(unknown)}")
    for name, kinds in answer.asked_as.items():
        each = listed([vocabulary[code].name for code in kinds] if len(kinds) <= FEW_KINDS else kinds, "or")
        lines.append(f"in no training patient's record by that name: {name}, asked as {each}")
    if answer.conflicts:
        lines.append(f"hardly on one ECG: {'; '.join(answer.conflicts)}; all of it is asked for all the same")
    if asked.unread:
        lines.append(f"not read: {', '.join(asked.unread)}")
    if person.refused:
        lines.append(f"not believed: {', '.join(person.refused)}")
    if person.passed_over:
        lines.append(f"also in the text, and not taken: {', '.join(person.passed_over)}")
    if asked.contradicted:
        taken = ", ".join(f"{name} (taken as {certainty})" for name, certainty in asked.contradicted)
        lines.append(f"both stated and ruled out: {taken}")
    return lines


def answer_lines(answer: Answer, store: Store, vocabulary: Vocabulary) -> list[str]:
    """Neighbours with their similarities and what they have, the report, and where it came from."""
    experience = answer.experience
    if experience is None:
        return [f"experience: {_why_none(answer, vocabulary)}"]
    width = max(len(neighbour.record_id) for neighbour in answer.neighbours)
    heads = "".join(f"{SHORT[store.views[view].split()[0]]:>9}" for view in VIEWS)
    return [
        f"compared by: {_compared_by(answer, store)}",
        f"{'neighbour':<{width}}{heads}{'τ':>7}{'meaning':>9}{'score':>7}{'counts':>8}  patient: ECG",
        *(_row(neighbour, width, vocabulary) for neighbour in answer.neighbours[:SHOWN]),
        f"experience: {experience.report.text}",
        f"measured: {_measured(experience)}",
        f"from: {len(experience.neighbours)} records of training patients, who say as much as "
        f"{_equal_number(answer.neighbours):.0f} of equal weight; confidence "
        f"{experience.report.confidence:.2f}, distiller {experience.distiller}, knowledge stage "
        f"{store.fingerprint[:16] or 'without a manifest'}",
        *_others(answer.neighbours[SHOWN:]),
    ]


def _why_none(answer: Answer, vocabulary: Vocabulary) -> str:
    absent = [*(vocabulary[code].name for code in answer.unknown), *answer.unseen]
    if absent:
        return f"none, for no training patient's record has {listed(absent)}, and the ECGs of others say nothing of it"
    told = "none, for no training patient's record is like what the text names"
    if any(value is not None for value in (answer.age, answer.sex, answer.heart_rate)):
        return told
    return f"{told}, and no age, sex or heart rate says who is near"


def _compared_by(answer: Answer, store: Store) -> str:
    if not answer.near_in:
        weights = ", ".join(f"{store.views[view]} {weight:.2f}" for view, weight in answer.weights.items())
        return f"{weights} (λ of the views that the text names)"
    if answer.near_in == MEANING:
        return "the meaning of words alone, for no training patient's record has what the text names (τ = 0)"
    return (
        f"{listed(answer.near_in)} alone, for no training patient's record is like what the text names (τ = 0); "
        "what such patients have on the whole, so the confidence is 0"
    )


def _equal_number(neighbours: Sequence[Neighbour]) -> float:
    """How many neighbours of equal weight would say as much."""
    return float(effective_number(np.array([neighbour.weight for neighbour in neighbours], np.float32)))


def _measured(experience: Experience) -> str:
    """Each scalar measure: median, quartiles and of how many neighbours it is known, or that it is not told."""
    return ", ".join(_measure(name, experience) for name in SCALARS)


def _measure(name: str, experience: Experience) -> str:
    summary, report = experience.statistics[name], experience.report
    low, median, high = (float(of[0]) for of in summary[:3])
    known, count = int(summary.known[0]), len(experience.neighbours)
    told = getattr(report, name) is not None if name in POSSIBLE else known >= max(MIN_KNOWN, count / 2)
    measured = (
        _measured_as(name, low, median, high, known, count) if told and known else f"not told ({_of(known, count)})"
    )
    return f"{CALLED[name][0]} {measured}"


def _measured_as(name: str, low: float, middle: float, high: float, known: int, count: int) -> str:
    """A scalar measure of so many neighbours: "164 ms (148 to 180, known of 141 of 150)"."""
    return f"{_rounded(middle)} {CALLED[name][1]} ({_rounded(low)} to {_rounded(high)}, {_of(known, count)})"


def _of(known: int, count: int) -> str:
    return f"known of {known} of {count}"


def _rounded(value: float, digits: int = 0) -> str:
    """A number to so many decimals, and none below zero that is zero then."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _others(neighbours: Sequence[Neighbour]) -> list[str]:
    """The neighbours that have no line of their own, with their scores, in as many lines as they need."""
    told = ", ".join(f"{neighbour.record_id}{FIXED}({neighbour.score:.2f})" for neighbour in neighbours)
    lines = textwrap.wrap(f"and on: {told}", WIDTH, break_long_words=False, break_on_hyphens=False) if told else []
    return [line.replace(FIXED, " ") for line in lines]


def _row(neighbour: Neighbour, width: int, vocabulary: Vocabulary) -> str:
    own = "".join(f"{neighbour.jaccard[view]:9.2f}" for view in VIEWS)
    scores = f"{neighbour.tau:7.2f}{neighbour.cosine:9.2f}{neighbour.score:7.2f}{100 * neighbour.weight:6.1f} %"
    rate = "" if neighbour.heart_rate is None else f"{neighbour.heart_rate} bpm"
    age = neighbour.age and f"{neighbour.age} years"
    patient = ", ".join(filter(None, (age, neighbour.sex, rate))) or "unknown"
    ecg = ", ".join(vocabulary[code].name for code in neighbour.statements) or "no statement"
    return f"{neighbour.record_id:<{width}}{own}{scores}  {patient}: {ecg}"


def answer_json(answer: Answer, vocabulary: Vocabulary, store: Store) -> dict[str, Any]:
    """All of an answer as plain values."""
    neighbours = [asdict(neighbour) for neighbour in answer.neighbours]
    return _plain(
        {
            "text": answer.asked.text,
            "age": answer.age,
            "sex": answer.sex,
            "heart_rate": answer.heart_rate,
            "refused": answer.asked.person.refused,
            "passed_over": answer.asked.person.passed_over,
            "contradicted": dict(answer.asked.contradicted),
            "conflicts": answer.conflicts,
            "asked_as": answer.asked_as,
            "unread": answer.asked.unread,
            "statements": [finding._asdict() for finding in answer.asked.statements],
            "terms": [asdict(term) for term in answer.asked.terms],
            "weights": answer.weights,
            "views": store.views,
            "near_in": answer.near_in,
            "neighbours": neighbours,
            "experience": _with_codes(answer.row, vocabulary) or None,
            "knowledge": store.fingerprint,
        }
    )


def experience_json(row: Mapping[str, Any], vocabulary: Vocabulary, fingerprint: str) -> dict[str, Any]:
    """One experience as plain values."""
    return _plain({**_with_codes(row, vocabulary), "knowledge": fingerprint})


def _with_codes(row: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """A row whose shares of statements are by code, those of 0 left out."""
    return {name: _shares(value, vocabulary) if name.endswith("_shares") else value for name, value in row.items()}


def _shares(values: Iterable[float], vocabulary: Vocabulary) -> dict[str, float]:
    """Shares above 0 by code, the largest first."""
    pairs = sorted(zip(vocabulary.codes, values, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {code: share for code, share in pairs if share > 0}


def find_experience(knowledge: Path, name: str, vocabulary: Vocabulary, pseudonyms: Pseudonyms) -> dict[str, Any]:
    """The row of one experience, by its id, its record's or a pseudonym of either, under ids that may leave.

    Raises:
        UserError: the stage has not run, was run with another vocabulary, or there is no such experience; names the
            nearest.
    """
    name = one_line(name)  # it is repeated where it is not known
    if not name:
        raise UserError("The id is empty: give that of an experience or a record.")
    if name.startswith(OF_TEXT):
        raise UserError(
            f"{name} is the experience of a text, which the store does not keep: `sediff knowledge ask` tells it of "
            "the text, and `sediff audit` of a synthetic record that rests on it."
        )
    table = read_experience_table(knowledge)
    ids: list[str] = table["record_id"].to_list()
    wanted = name.removeprefix(PREFIX)
    called = dict(zip(map(pseudonyms.of, ids), ids, strict=True))
    record = called.get(wanted, wanted)
    rows = table.filter(pl.col("record_id") == record)
    if not len(rows):
        near = difflib.get_close_matches(wanted, list(called), 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"the ids look like {next(iter(called), 'none')}."
        raise UserError(f"There is no experience {name}: {hint}")
    row = rows.row(0, named=True)
    stored, known = len(row["further_shares"]), len(vocabulary.codes)
    if stored != known:
        raise UserError(
            f"{knowledge / FILE} has shares of {stored} statements, the vocabulary now has {known}: run the knowledge "
            "stage again."
        )
    return exported_row(row, pseudonyms)


def exported_row(row: Mapping[str, Any], pseudonyms: Pseudonyms) -> dict[str, Any]:
    """A row of the experience table under the ids by which records may be called."""
    record = pseudonyms.of(row["record_id"])
    neighbours = [pseudonyms.of(neighbour) for neighbour in row["neighbours"]]
    return {**row, "experience_id": f"{PREFIX}{record}", "record_id": record, "neighbours": neighbours}


def experience_lines(row: Mapping[str, Any], vocabulary: Vocabulary, fingerprint: str) -> list[str]:
    """One experience in full: a line for each thing it knows, then tables of what is of a lead."""
    lines = [f"{name}: {told}" for name, value in row.items() if (told := _told(name, value, row, vocabulary))]
    return [
        *lines,
        *_measured_table(row),
        *_fitted_tables(row),
        f"knowledge stage: {fingerprint or 'without a manifest'}",
    ]


def _measured_table(row: Mapping[str, Any]) -> list[str]:
    columns = {
        head: dict(zip(VOLTAGES[name], _quartiles(row[measured_column(name)], 2), strict=True))
        for name, head in IN_LEADS.items()
    }
    return _table("measured in each lead, quartiles in mV", columns)


def _fitted_tables(row: Mapping[str, Any]) -> list[str]:
    """The simulator's morphology: five waves in each lead."""
    lines: list[str] = []
    for name in MORPHOLOGY:
        told = iter(_quartiles(row[measured_column(name)], FITTED_DIGITS[name]))
        cells = {lead: [next(told) for _ in WAVES] for lead in INDEPENDENT_LEADS}
        columns = {wave: {lead: of[place] for lead, of in cells.items()} for place, wave in enumerate(WAVES)}
        lines += _table(f"the simulator's {name}, quartiles at 60 bpm", columns)
    return lines


def _quartiles(summary: Mapping[str, Any], digits: int) -> list[str]:
    """Each value's quartiles, "-0.12 0.10 0.21"; "" where it is unknown."""
    values = zip(summary["low"], summary["median"], summary["high"], strict=True)
    return ["" if math.isnan(of[1]) else " ".join(_rounded(value, digits) for value in of) for of in values]


def _table(title: str, columns: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Columns by lead, in the order of leads; none where all are empty."""
    leads = [lead for lead in LEADS if any(of.get(lead) for of in columns.values())]
    width = max([len(cell) for of in columns.values() for cell in of.values()], default=0) + 2
    heads = "".join(f"{head:>{width}}" for head in columns)
    told = ["".join(f"{of.get(lead) or '-':>{width}}" for of in columns.values()) for lead in leads]
    return (
        [f"{title}:", f"lead{heads}", *(f"{lead:<4}{of}" for lead, of in zip(leads, told, strict=True))]
        if leads
        else []
    )


def _plain(value: Any) -> Any:
    """Nested values as JSON takes them: NaN is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(of) for of in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _told(name: str, value: Any, row: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """A value in words; "" where it is unknown, or told beside another."""
    if name in TOLD_ELSEWHERE:
        return ""
    if name == "neighbours":
        pairs = zip(value, row["similarities"], strict=True)
        return f"{len(value)}: {', '.join(f'{neighbour} ({similarity:.2f})' for neighbour, similarity in pairs)}"
    if name == "morphology":
        return "; ".join(f"{of['lead']}: {of['shape']}" for of in value)
    if name.endswith("_shares"):
        shares = _shares(value, vocabulary).items()
        return ", ".join(share_in_words(code, share, vocabulary) for code, share in shares)
    measure = name.removeprefix("measured_")
    if measure in CALLED:
        return _of_row(measure, value, row)
    return _in_words(value)


def _of_row(name: str, value: Mapping[str, Any] | None, row: Mapping[str, Any]) -> str:
    """A scalar measure of a row, or a report's range of it; "" where it is unknown."""
    known = row[measured_column(name)]["known"]
    middle = None if value is None else value.get("expected", value.get("median"))
    if value is None or middle is None or math.isnan(middle):
        return ""
    return _measured_as(name, value["low"], middle, value["high"], known, len(row["neighbours"]))


def _in_words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_in_words, value)))
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value + 0.0:.3g}"
    return "" if value is None else str(value)


def _stated(name: str, stated: Any, given: Any) -> str:
    """An attribute of the patient, and where it was said: what is given beside the text wins."""
    value, unit = stated if given is None else given, UNITS[name]
    if value is None:
        return ""
    told = f"{_in_words(value)} {unit}".rstrip()
    if given is None:
        return f"{told} (in the text)"
    return f"{told} (given; the text says {_in_words(stated)})" if stated not in (None, given) else f"{told} (given)"


def _called(words: str, title: str) -> str:
    return words if words.lower() == title.lower() else f"{words} ({title})"


def _certain(name: str, certainty: str) -> str:
    return name if certainty == "present" else f"{name} ({certainty})"
