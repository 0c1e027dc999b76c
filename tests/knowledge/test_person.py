import time

import pytest

from sediff.knowledge.person import read_person


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("72-year-old man, hypertension", 72, "male"),
        ("72 year old gentleman", 72, "male"),
        ("72 y/o F", 72, "female"),
        ("72yM", 72, "male"),
        ("72yoM, AF", 72, "male"),
        ("66y, LBBB", 66, None),
        ("10 years ago MI, 66 y", 66, None),
        ("80/F chest pain", 80, "female"),
        ("7 y old girl", 7, "female"),
        ("pt is 45", 45, None),
        ("he is 120/80 mmHg", None, "male"),
        ("85jähr. Mann", 85, "male"),
        ("65yo w HTN", 65, None),  # with
        ("72M s/p CABG", 72, "male"),
        ("F/72", 72, "female"),
        ("88 y.o. female", 88, "female"),
        ("woman aged 65", 65, "female"),
        ("a patient, 70 years, his ECG", 70, "male"),
        ("Age 65 Sex F", 65, "female"),
        ("male 72", 72, "male"),
        ("woman, 65, LBBB", 65, "female"),
        ("8-month-old boy", 0.67, "male"),
        ("72jähriger Patient", 72, "male"),
        ("72-jaehrige Patientin", 72, "female"),
        ("bei einem 65-jährigen Patienten mit VHF", 65, "male"),
        ("Frau, 65 J.", 65, "female"),
        ("65 J., w, Hypertonie", 65, "female"),
        ("Mann (72), Zustand nach Infarkt", 72, "male"),
        ("Alter: 65, Geschlecht: m", 65, "male"),
        ("man sieht Vorhofflimmern bei einer 66 Jahre alten Frau", 66, "female"),
        ("MI at age 50, now 72 years old", 72, None),
        ("hypertension for 20 years", None, None),
        ("seit 5 Jahren Diabetes, 80jährige Patientin", 80, "female"),
        ("a 10 year history of diabetes", None, None),
        ("patient with LBBB", None, None),
        ("QRS 120 ms, PR 200", None, None),
        ("", None, None),
    ],
)
def test_age_and_sex(text, age, sex):
    person = read_person(text)
    assert (person.age, person.sex) == (age, sex)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("atrial fibrillation, 110 bpm", 110),
        ("HF 110/min", 110),
        ("HR: 96", 96),
        ("heart rate of 61", 61),
        ("Frequenz 55/min", 55),
        ("rate 100-120 bpm", 110),
        ("HR: 72.5", 72.5),
        ("sinus brady 48", 48),
        ("AF with RVR at 145", 145),
        ("Sinustachykardie 120", 120),
        ("VHF 130/min", 130),
        ("75 b.p.m.", 75),
        ("75 Schl./min", 75),
        ("AF 14/min", None),  # German: respiration
        ("AF 65 y old man", None),
        ("SR 65 J.", None),
        ("AF for 10 years", None),
        ("AF 2019", None),
        ("tachycardia 180 ms", None),
        ("heart rate 72.5 bpm, QRS 90.5 ms", 72.5),
        ("atrial rate 300/min, ventricular rate 75/min", 75),
        ("resp rate 20/min", None),
        ("aged 72", None),
    ],
)
def test_heart_rate(text, rate):
    assert read_person(text).heart_rate == rate


def test_what_nobody_has_is_refused_and_named():
    person = read_person("300-year-old woman, 1000 bpm, then 80 years old with 70 bpm")
    assert (person.age, person.heart_rate) == (80, 70)
    assert person.refused == ("300-year-old", "1000 bpm")
    assert read_person("0-year-old").age == 0
    for text in ("-5-year-old", "1,000 year old man"):
        assert read_person(text).age is None and len(read_person(text).refused) == 1
    assert read_person("1,5 years old").age == 1.5
    assert read_person("aged 60-70 years").refused == ()


@pytest.mark.parametrize(
    ("text", "taken", "passed_over"),
    [
        ("72-year-old man, age 65", (72, "male", None), ("age 65",)),
        ("age 65, 72-year-old man", (72, "male", None), ("age 65",)),  # the clearest counts
        ("male woman", (None, "male", None), ("woman",)),
        ("72F, male patient", (72, "female", None), ("male",)),
        ("70 bpm, later 90 bpm", (None, None, 70), ("90 bpm",)),
        ("72-year-old man, aged 72, a male, HR 70, 70 bpm", (72, "male", 70), ()),
        ("woman, her ECG, his son", (None, "female", None), ()),  # a pronoun is no clear word
        ("man sieht Vorhofflimmern bei einer 66 Jahre alten Frau", (66, "female", None), ()),
        ("300-year-old woman, then 80 years old", (80, "female", None), ()),  # what is refused is told elsewhere
    ],
)
def test_what_else_a_text_says_of_the_patient_is_passed_over_and_named(text, taken, passed_over):
    person = read_person(text)
    assert (person.age, person.sex, person.heart_rate) == taken
    assert person.passed_over == passed_over


def test_what_was_read_is_taken_out_and_the_rest_stays_in_place():
    text = "72-year-old man, HF 110/min, no diabetes"
    rest = read_person(text).rest
    assert len(rest) == len(text)
    assert rest.split() == ["man,", ",", "no", "diabetes"]


@pytest.mark.parametrize(
    "text",
    ["72-year-old man " * 6000, "9" * 100_000, "a" * 100_000, " " * 100_000, "110 bpm " * 12_000, "1-" * 50_000,
     "F/" * 50_000, "\x00\x1b[31m" * 20_000],
)  # fmt: skip
def test_long_nonsense_takes_no_time(text):
    started = time.process_time()
    read_person(text)
    assert time.process_time() - started < 5
