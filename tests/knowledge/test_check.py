import json
from typing import Any

import pytest

from sediff.knowledge.check import check
from sediff.knowledge.report import Report

from .llm_server import REPORT

IDS = {"ptb-xl/21837", "ptb-xl/15709", "clinic/HR00042", "clinic/72", "23456789"}


def fault(**changes: Any) -> str | None:
    answer = {"content": json.dumps({**REPORT, **changes}), "refusal": None, "finish_reason": "stop", "usage": None}
    return check(answer, {"N1", "N2"}, IDS).fault


@pytest.mark.parametrize(
    "words",
    [
        "recorded 2019-03-12", "of 12.03.2019", "on 3/4/19", "in 1998", "12 March", "March 12th, 2020", "at 14:05",
        "on 5 May", "like record ptb-xl/21837.", "record 21837", "as in clinic/HR00042", "hr00042 shows", "23456789",
        "Mr. Smith", "Frau Müller", "mail to a@b.org", "see https://example.org", "call 555-123-4567", "id 123456",
        "clinic/72",
    ],
)  # fmt: skip
def test_what_could_name_a_patient_is_found_in_any_text(words):
    assert fault(text=f"Sinus rhythm is expected, {words}.") == "identifier"
    assert fault(rhythm=words) == "identifier"
    assert fault(findings=["LVH", words]) == "identifier"
    assert fault(morphology=[{"lead": "V1", "shape": words}]) == "identifier"


@pytest.mark.parametrize(
    "words",
    [
        "PR 0.12-0.20 s and QRS 80-100 ms", "heart rate 72 bpm, QTcF 410 ms", "2:1 AV block", "RR up to 2000 ms",
        "R 1.234567 mV in V5", "marked 2 mm ST depression, decreased 20 ms", "10 of 10 neighbours may have it",
        "ages 90 or over", "T inverted in V1-V3, II, III and aVF", "a rate of 60/70/80", "Mobitz I, Wenckebach",
        "N1 and N2 agree",
    ],
)  # fmt: skip
def test_what_an_ecg_is_described_with_is_no_identifier(words):
    assert fault(text=f"Sinus rhythm is expected: {words}.") is None
    assert fault(rhythm=words) is None


def test_the_fault_is_told_without_what_stood_there():
    content = json.dumps({**REPORT, "heart_rate": {"low": "secret", "expected": 1, "high": 2}, "extra": 1})
    verdict = check({"content": content, "refusal": None, "finish_reason": "stop", "usage": None}, {"N1"}, IDS)
    assert verdict.fault == "schema" and "heart_rate.low" in verdict.told and "secret" not in verdict.told


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"72"'])
def test_numbers_are_numbers(number):
    content = json.dumps(REPORT).replace("0.8", number)
    assert check({"content": content, "refusal": None, "finish_reason": "stop", "usage": None}, {"N1"}, IDS).fault


def test_what_is_checked_is_what_is_kept():
    assert fault(text="Sinus rhythm.           \n  ") == "length", "too short once its white space is single"
    assert fault(rhythm=" \x00\x1b\n") == "length"
    assert fault(text="Like record 21\x0083\u200b7 it is sinus rhythm.") == "identifier"
    text = "Sinus\trhythm \x1b[31mat 72 bpm\x00 is\n\n expected.\u202e"
    content = json.dumps({**REPORT, "text": text, "findings": [" LVH \n"]})
    report = check({"content": content, "refusal": None, "finish_reason": "stop", "usage": None}, {"N1"}, IDS).report
    assert report is not None
    assert report.text == "Sinus rhythm [31mat 72 bpm is expected." and report.findings == ("LVH",)
    assert Report.model_validate(report.model_dump()) == report, "and can be read again"


@pytest.mark.parametrize(
    "words",
    [
        "heart rate 900 bpm", "sinus rhythm at 5 bpm", "a ventricular rate of about 60 to 400/min", "HR: 12 bpm",
        "PR interval of 900 ms", "PR 1.6 s", "QRS duration is 20 ms", "QRS 90 to 900 ms", "wide QRS (720 ms)",
        "QT 1200 ms", "QTcF of 100 ms", "QTc 0.1 s", "R 50 mV in V5", "S -22.5 mV", "ST +300000 µV",
    ],
)  # fmt: skip
def test_what_physiology_does_not_allow_is_found_in_words(words):
    assert fault(text=f"Expected in such a patient: {words}.") == "range"
    assert fault(morphology=[{"lead": "V1", "shape": words}]) == "range"


@pytest.mark.parametrize(
    "words",
    [
        "heart rate 72 bpm (60 to 80)", "an atrial rate of 350 bpm, ventricular rate 75 bpm", "QRS notch of 20 ms",
        "QRS complexes follow each P wave with PR 160 ms", "PR and QRS intervals of 150 and 90 ms",
        "QT 10 ms longer than in others", "QT prolonged by 30 ms", "PR 0.16 s, QRS 0.09 s, QT 0.40 s",
        "ST +0.25 mV at J + 60 ms, R 1.1 mV, S -0.9 mV", "QRS axis -60 degrees", "QRS less than 120 ms",
        "heart rate 20 bpm faster than the median", "P 80 µV, R 1800 µV", "QTcF 410 ms in 25 patients", "RR 1500 ms",
        "the terminal 40 ms of QRS", "heart rate in 900 patients", "QRS fragmented, R' after 20 ms",
        "initial q of 0.1 mV and 20 ms", "atrial fibrillation with flutter waves at 600/min",
    ],
)  # fmt: skip
def test_ordinary_sentences_are_not_refused(words):
    assert fault(text=f"Expected in such a patient: {words}.") is None
    assert fault(rhythm=words) is None


def test_values_agree_with_one_another():
    def span(value):
        return {"low": value, "expected": value, "high": value}

    assert fault(heart_rate=span(150), qt=span(410)) == "range", "beats are 400 ms apart"
    assert fault(heart_rate=span(150), qt=span(390)) is None
    assert fault(heart_rate=None, qt=span(600)) is None
    twice = [{"lead": lead, "shape": "tall R"} for lead in ("V1", "V5", "V1")]
    assert fault(morphology=twice) == "schema" and fault(morphology=twice[:2]) is None
