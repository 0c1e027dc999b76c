"""What the page asks for: one ECG, measured against what was asked, and the experience it was based on."""

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.beats import find_r_peaks, heart_rate
from sediff.delineation import delineate, measure
from sediff.ecg import SAMPLING_RATE, to_millivolts
from sediff.export.record import Record
from sediff.knowledge.experience import Experience
from sediff.knowledge.query import Answer
from sediff.knowledge.report import POSSIBLE
from sediff.knowledge.show import SHOWN, understood_lines
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import PromptRequest, SamplerParams
from sediff.synthesis.prompt import record_of
from sediff.synthesis.request import prompt_row

# The measure's name in an experience, what the page calls it, its unit
MEASURES = (
    ("heart_rate", "Heart rate", "bpm"),
    ("pr", "PR interval", "ms"),
    ("qrs_duration", "QRS duration", "ms"),
    ("qt", "QT interval", "ms"),
    ("axis", "QRS axis", "°"),
)


@dataclass(frozen=True)
class Made:
    """An ECG and what the page says of it, as JSON takes it."""

    record: Record
    told: dict[str, Any]


class Studio:
    """The models of the last run, loaded once.

    Args:
        ask: the knowledge store's answer to a prompt, under ids that may leave.
    """

    def __init__(self, generator: EcgGenerator, sampler: SamplerParams, ask: Callable[[PromptRequest], Answer]) -> None:
        self.generator, self.sampler, self.ask = generator, sampler, ask

    def make(self, prompt: PromptRequest, seed: int) -> Made:
        """The first record that `sediff generate` makes of the same prompt and seed, byte for byte."""
        answer = self.ask(prompt)
        row, slot = prompt_row(prompt, answer), Slot(seed, 0)
        signal = self.generator.make([row], [slot], self.sampler)[0]
        record = record_of(row, slot, signal, self.generator.model)
        given = {"age": prompt.age, "sex": prompt.sex, "heart rate": prompt.heart_rate}
        understood = understood_lines(answer, self.generator.vocabulary, given)
        told = {
            "title": record.title,
            "understood": [line.removeprefix("understood: ") for line in understood],
            "measures": _compared(record, answer.experience),
            "experience": _experience(answer),
            "command": _command(prompt, seed),
        }
        return Made(record, told)


def measured(signal: NDArray[np.int16]) -> dict[str, float]:
    """Rate, intervals and axis of (12, 1000) int16 µV, in bpm, ms and degrees; NaN where a wave is missing."""
    millivolts = to_millivolts(signal)
    peaks = find_r_peaks(millivolts[None])[0]
    values = measure(delineate(millivolts, SAMPLING_RATE, peaks))
    return {
        "heart_rate": heart_rate(peaks),
        "pr": values.pr,
        "qrs_duration": values.qrs_duration,
        "qt": values.qt,
        "axis": values.axis,
    }


def _compared(record: Record, experience: Experience | None) -> list[dict[str, str]]:
    """A row for each measure: asked for, what similar patients have, and what the ECG has."""
    asked, found = {"heart_rate": record.heart_rate, "axis": record.axis}, measured(record.signal)
    return [
        {
            "name": name,
            "unit": unit,
            "asked": _figure(asked.get(key)),
            "similar": _spread(experience, key),
            "measured": _figure(found[key]) or "not found",
        }
        for key, name, unit in MEASURES
    ]


def _spread(experience: Experience | None, key: str) -> str:
    """Median and quartiles of similar patients; "" where none has it, or so few that the report does not tell it."""
    if experience is None or experience.statistics.value(key) is None:
        return ""
    if key in POSSIBLE and getattr(experience.report, key) is None:
        return ""
    summary = experience.statistics[key]
    low, median, high = (_figure(float(part[0])) for part in (summary.low, summary.median, summary.high))
    return f"{median} ({low} to {high})"


def _experience(answer: Answer) -> dict[str, Any] | None:
    if answer.experience is None:
        return None
    experience = answer.experience
    nearest = [f"{each.record_id} ({each.score:.2f})" for each in answer.neighbours[:SHOWN]]
    return {
        "report": experience.report.text,
        "id": experience.experience_id,
        "distiller": experience.distiller,
        "neighbours": len(answer.neighbours),
        "nearest": nearest,
    }


def _figure(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.0f}"


def _command(prompt: PromptRequest, seed: int) -> str:
    """What makes the same record in a terminal."""
    options = (("--age", prompt.age), ("--sex", prompt.sex), ("--heart-rate", prompt.heart_rate), ("--seed", seed))
    said = [word for name, value in options if value is not None for word in (name, str(value).removesuffix(".0"))]
    words = [*said, "--", prompt.text] if prompt.text.startswith("-") else [prompt.text, *said]  # or it were an option
    return shlex.join(["sediff", "generate", *words])
