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
