"""The offline distiller: a report composed of the neighbours' statistics and the vocabulary, without model or key."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.ecg import LEADS
from sediff.knowledge.measures import SLICES, Statistics
from sediff.knowledge.profiles import VIEWS
from sediff.knowledge.report import POSSIBLE, LeadMorphology, Range, Report
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.rhythms import Rhythm, share_in_words
from sediff.knowledge.weights import effective_number
from sediff.vocabulary import Vocabulary

OFFLINE = "offline"
NO_NEIGHBOUR = "No similar patient is known."
MIN_SHARE = 0.1  # a statement that fewer neighbours have is no finding
MAX_FINDINGS = 8
FEW = 5  # so many neighbours give half of the confidence that very many would
NAMES = {"heart_rate": "heart rate", "pr": "PR", "qrs_duration": "QRS duration", "qt": "QT", "qtcf": "QTcF"}
LEADS_TOLD = ("I", "II", "aVF", "V1", "V3", "V5")  # one of each wall, and the transition
LEADS_IN_TEXT = ("II", "V1", "V5")
FLAT, LEVEL = 0.05, 0.1  # mV; a P or T wave, or ST, of less is none


class Distilled(NamedTuple):
    """A report and who wrote it."""

    report: Report
    distiller: str
    fallback_reason: str | None


def confidences(
    neighbours: Neighbours,
    weights: NDArray[np.float32],
    statistics: Statistics,
    queries: pl.DataFrame,
    lambdas: Mapping[str, float],
) -> NDArray[np.float64]:
    """How far n conditions' neighbours can be trusted, each 0 to 1: number × similarity × agreement.

    Number is n / (n + 5), n being how many neighbours of equal weight would say as much. Similarity is the mean τ over
    the highest that the condition can have, the sum of λ of the views that it has; 0 where it has none. Agreement is
    1 / (1 + the number of further statements in which two neighbours differ, on average over pairs drawn with
    replacement). In all three neighbours count as much as they weigh, (n, k).
    """
    counts = effective_number(weights)
    attainable = sum(lambdas[view] * (queries[view].list.len().to_numpy() > 0) for view in VIEWS)
    weighed = (neighbours.similarities * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)
    similarity = np.divide(weighed, attainable, out=np.zeros_like(weighed), where=attainable > 0)
    shares = statistics.shares.astype(np.float64)
    agreement = 1 / (1 + 2 * (shares * (1 - shares)).sum(1))
    return np.round(np.clip(counts / (counts + FEW) * similarity * agreement, 0, 1), 2)


def distil_offline(
    statistics: Statistics,
    confidence: NDArray[np.float64],
    named: Sequence[Iterable[str]],
    vocabulary: Vocabulary,
    near_in: Sequence[str] = (),
    uncertain: Collection[str] = (),
) -> list[Distilled]:
    """Compose a report for each condition.

    Args:
        statistics: as `statistics.sufficient` leaves them; what is NaN is not told.
        named: the statements that each condition names itself; uncertain: those that all of them name as possible.
        near_in: what alone the neighbours were chosen by, such as "age"; () where by their profiles.
    """
    return [
        Distilled(_report(own, float(sure), list(codes), vocabulary, near_in, uncertain), OFFLINE, None)
        for own, sure, codes in zip(statistics.rows(), confidence, named, strict=True)
    ]


def _report(
    statistics: Statistics,
    confidence: float,
    named: Sequence[str],
    vocabulary: Vocabulary,
    near_in: Sequence[str],
    uncertain: Collection[str],
) -> Report:
    if not statistics.counts:
        return Report(
            rhythm="unknown", findings=(), **dict.fromkeys(POSSIBLE), morphology=(), confidence=0, cited=(),
            text=NO_NEIGHBOUR,
        )  # fmt: skip
    own, shares = Rhythm(named, uncertain, vocabulary), _further(statistics.shares, vocabulary)
    rhythm = own.words(shares)
    findings = tuple(share_in_words(code, shares[code], vocabulary) for code in own.findings(shares)[:MAX_FINDINGS])
    ranges = {name: None if name == "pr" and not own.has_pr else _range(statistics, name) for name in POSSIBLE}
    shapes = {lead: _shape(statistics, lead, own.has_p) for lead in LEADS_TOLD}
    count = int(statistics.counts)
    return Report(
        rhythm=rhythm,
        findings=findings,
        **ranges,
        morphology=tuple(LeadMorphology(lead=lead, shape=shape) for lead, shape in shapes.items() if shape),
        confidence=confidence,
        cited=tuple(f"N{number}" for number in range(1, count + 1)),
        text=_paragraph(rhythm, findings, _told(ranges, statistics), shapes, _basis(count, named, vocabulary, near_in)),
    )


def _further(shares: NDArray[np.float32], vocabulary: Vocabulary) -> dict[str, float]:
    """Statements and their shares, the most frequent first, equal ones in the order of codes."""
    order = np.argsort(-shares, kind="stable")
    return {vocabulary.codes[k]: float(shares[k]) for k in order if shares[k] >= MIN_SHARE}


def _range(statistics: Statistics, name: str) -> Range | None:
    """Median and quartiles; None where they are not known, or physiology does not allow them."""
    low, median, high, _ = (float(part[0]) for part in statistics[name])
    least, most = POSSIBLE[name]
    if not least <= low <= high <= most:
        return None
    return Range(low=round(low), expected=round(median), high=round(high))


def _told(ranges: Mapping[str, Range | None], statistics: Statistics) -> list[str]:
    """Each range that is known, and in how many neighbours: "PR 164 ms (148 to 180, of 141)"."""
    return [
        f"{NAMES[name]} {of.expected:g} {'bpm' if name == 'heart_rate' else 'ms'} "
        f"({of.low:g} to {of.high:g}, of {int(statistics[name].known[0])})"
        for name, of in ranges.items()
        if of
    ]


def _shape(statistics: Statistics, lead: str, has_p: bool) -> str:
    """The beat in one lead: "P upright, R 1.1 mV, S 0.2 mV, ST level, T inverted"; "" where nothing is known."""
    values = statistics.median[PLACES[lead]].tolist()
    told = zip(SHAPES.items(), values, strict=True)
    return ", ".join(word(mv) for (name, word), mv in told if mv == mv and (has_p or name != "p_amplitudes"))


def _turned(millivolts: float) -> str:
    return "flat" if abs(millivolts) <= FLAT else "upright" if millivolts > 0 else "inverted"


# What is said of a lead, in the order of the beat, and where its values stand.
SHAPES: Mapping[str, Callable[[float], str]] = {
    "p_amplitudes": lambda mv: f"P {_turned(mv)}",
    "r_amplitudes": lambda mv: f"R {abs(mv):.1f} mV",
    "s_amplitudes": lambda mv: f"S {abs(mv):.1f} mV",
    "st": lambda mv: f"ST {mv:+.2f} mV" if abs(mv) > LEVEL else "ST level",
    "t_amplitudes": lambda mv: f"T {_turned(mv)}",
}
PLACES = {lead: [SLICES[name].start + LEADS.index(lead) for name in SHAPES] for lead in LEADS_TOLD}


def _basis(count: int, named: Sequence[str], vocabulary: Vocabulary, near_in: Sequence[str]) -> str:
    """What a report rests on; with the condition's own statements, by which the text is found by meaning."""
    if near_in:
        return f"from {count} {'record' if count == 1 else 'records'} near in {listed(near_in)} alone"
    own = ", ".join(vocabulary[code].name for code in named[:MAX_FINDINGS])
    records = "record" if count == 1 else "records, weighed by likeness"
    return f"from {count} similar {records}{f': {own}' if own else ''}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names as a sentence has them: "age, sex and heart rate"."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _paragraph(rhythm: str, findings: Sequence[str], told: Sequence[str], shapes: Mapping[str, str], basis: str) -> str:
    """Rhythm, findings, ranges of what is known, three leads, and what it rests on."""
    leads = [f"lead {lead}: {shapes[lead]}" for lead in LEADS_IN_TEXT if shapes[lead]]
    sentences = (
        f"Rhythm: {rhythm}",
        f"further findings: {', '.join(findings)}" if findings else "",
        ", ".join(told),
        "; ".join(leads),
        basis,
    )
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences if sentence)
