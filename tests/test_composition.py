from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sediff.errors import UserError
from sediff.vocabulary import Vocabulary

KNOWLEDGE = Path(__file__).parents[1] / "knowledge"
VOCABULARY = Vocabulary.load(KNOWLEDGE / "statements.yaml")
WORDING = yaml.safe_load((KNOWLEDGE / "wording.yaml").read_text())
AXIS_STATEMENT = {"LAD": "LAD", "ALAD": "LAD", "RAD": "RAD", "ARAD": "RAD"}
CODES = st.sets(st.sampled_from(VOCABULARY.codes), max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    CODES,
    CODES,
    st.sampled_from(["", *WORDING["heart_axis"]]),
    st.lists(st.sampled_from(["", *WORDING["infarction_stage"]]), max_size=2),
)
def test_what_is_composed_is_found_again(present, uncertain, axis, stages):
    found = dict(VOCABULARY.find(VOCABULARY.describe(present, uncertain, axis, stages)))
    expected = dict.fromkeys(uncertain | ({"LAD"} if axis == "AXL" else set()), "uncertain")
    expected |= dict.fromkeys(present, "present")
    if axis in AXIS_STATEMENT:
        expected[AXIS_STATEMENT[axis]] = "present"
    assert found == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((["SR"], ["AMI"]), "Sinus rhythm, possible anterior myocardial infarction."),
        (([], ["AMI"]), "Possible anterior myocardial infarction."),
        ((["SR", "AMI"], ["AMI"]), "Sinus rhythm, anterior myocardial infarction."),
        (
            (["LVH", "CLBBB", "SR"], [], "ALAD"),
            "Sinus rhythm, extreme left axis deviation, complete left bundle branch block, "
            "left ventricular hypertrophy.",
        ),
        ((["SR", "LAD"], [], "LAD"), "Sinus rhythm, left axis deviation."),
        ((["SR"], ["LAD"], "LAD"), "Sinus rhythm, left axis deviation."),
        ((["SR", "LAD"], [], "AXL"), "Sinus rhythm, borderline left axis deviation, left axis deviation."),
        ((["SR"], ["LAD"], "AXL"), "Sinus rhythm, borderline left axis deviation."),
        ((["NORM"], [], "MID"), "Normal ECG, normal axis."),
        ((["SR"], [], "AXR"), "Sinus rhythm, vertical axis."),
        ((["SR", "IMI"], [], "", ["Stadium III", ""]), "Sinus rhythm, old inferior myocardial infarction."),
        (([], ["IMI"], "", ["Stadium I"]), "Possible acute inferior myocardial infarction."),
        ((["IMI"], [], "", ["unknown"]), "Age-undetermined inferior myocardial infarction."),
        (
            (["AMI", "IMI", "QWAVE"], [], "", ["Stadium II-III"]),
            "Anterior myocardial infarction, inferior myocardial infarction, infarction subacute to old, "
            "Q waves present.",
        ),
        ((["IMI"], [], "", ["Stadium III", "Stadium I"]), "Inferior myocardial infarction, infarction old and acute."),
        ((["IMI"], [], "", ["Stadium I", "Stadium I"]), "Acute inferior myocardial infarction."),
        (([], [], "", []), ""),
    ],
)
def test_wording(arguments, text):
    assert VOCABULARY.describe(*arguments) == text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((["XYZ"],), "XYZ"),
        (([], ["XYZ"]), "XYZ"),
        ((["SR"], [], "LEFT"), "LEFT.*heart axis"),
        ((["SR"], [], "", ["Stadium V"]), "Stadium V.*infarction stage"),
    ],
)
def test_what_is_not_known_is_named(arguments, named):
    with pytest.raises(UserError, match=named):
        VOCABULARY.describe(*arguments)


def test_a_reading_is_composed_without_what_is_absent():
    reading = VOCABULARY.from_text("Sinusrhythmus. V.a. Vorderwandinfarkt. Kein Hinweis auf Linksschenkelblock.")
    assert VOCABULARY.describe(reading.codes("present"), reading.codes("uncertain")) == (
        "Sinus rhythm, possible anterior myocardial infarction."
    )


def test_likelihoods_are_read_as_certainty():
    reading = VOCABULARY.from_codes({"SR": 0.0, "IMI": 100.0, "LVH": 80.0, "AMI": 50.0, "XYZ": 100.0}, 80)
    assert reading.codes("present") == ["IMI", "LVH", "SR"]
    assert reading.codes("uncertain") == ["AMI"]
    assert reading.statements["AMI"].likelihood == 50
    assert reading.unmapped == ("XYZ",)
