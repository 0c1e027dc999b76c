"""SNOMED CT codes of the PhysioNet/CinC Challenges, after the public dx_mapping_scored.csv of 2020 and 2021."""

from pathlib import Path

import pytest
import yaml

from sediff.errors import UserError
from sediff.vocabulary import Said, Vocabulary

STATEMENTS = Path(__file__).parents[1] / "knowledge/statements.yaml"
VOCABULARY = Vocabulary.load(STATEMENTS)

SCORED_2020 = {
    "270492004": "1AVB",
    "164889003": "AFIB",
    "164890007": "AFLT",
    "426627000": "BRADY",
    "713427006": "CRBBB",
    "713426002": "IRBBB",
    "445118002": "LAFB",
    "39732003": "LAD",
    "164909002": "CLBBB",
    "251146004": "LVOLT",
    "698252002": "IVCD",
    "10370003": "PACE",
    "284470004": "PAC",
    "427172004": "PVC",
    "164947007": "LPR",
    "111975006": "LNGQT",
    "164917005": "QWAVE",
    "47665007": "RAD",
    "59118001": "CRBBB",
    "427393009": "SARRH",
    "426177001": "SBRAD",
    "426783006": "SR",
    "427084000": "STACH",
    "63593006": "PAC",
    "164934002": "TAB_",
    "59931005": "INVT",
    "17338001": "PVC",
}
ADDED_2021 = {"6374002": "BBB", "733534002": "CLBBB", "365413008": "PRWP"}
SCORED_2021 = {**SCORED_2020, **ADDED_2021}
# Scored as the same diagnosis.
EQUIVALENT = [
    ("713427006", "59118001"),
    ("284470004", "63593006"),
    ("427172004", "17338001"),
    ("733534002", "164909002"),
]
ONLY_THE_CHALLENGES = {"BBB", "BRADY", "LAD", "PRWP", "RAD"}
# Not scored, and without a doubt one of the statements.
UNSCORED = {
    "164951009": "ABQRS",
    "54329005": "AMI",
    "426434006": "ISCAN",
    "251173003": "BIGU",
    "251268003": "PACE",
    "27885002": "3AVB",
    "195042002": "2AVB",
    "426183003": "2AVB",
    "54016002": "2AVB",
    "425419005": "ISCIN",
    "425623009": "ISCLA",
    "251120003": "ILBBB",
    "253352002": "LAO/LAE",
    "67741000119109": "LAO/LAE",
    "446358003": "RAO/RAE",
    "445211001": "LPFB",
    "164873001": "LVH",
    "89792004": "RVH",
    "55827005": "VCLVH",
    "164861001": "ISC_",
    "428750005": "NST_",
    "55930002": "NST_",
    "282825002": "AFIB",
    "67198005": "PSVT",
    "429622005": "STD_",
    "164931005": "STE_",
    "426761007": "SVTAC",
    "11157007": "BIGU",
    "251180001": "TRIGU",
    "164884008": "PVC",
    "195060002": "WPW",
    "74390002": "WPW",
}


def test_the_lists_are_whole():
    assert len(SCORED_2020) == 27
    assert len(SCORED_2021) == 30


@pytest.mark.parametrize(("snomed", "code"), [*SCORED_2021.items(), *UNSCORED.items()])
def test_what_the_challenges_scored_is_a_statement(snomed, code):
    reading = VOCABULARY.from_snomed([snomed])
    assert reading.statements == {code: Said("present")}
    assert not reading.unmapped


@pytest.mark.parametrize("pair", EQUIVALENT)
def test_what_was_scored_as_the_same_is_the_same(pair):
    assert len(VOCABULARY.from_snomed(pair).statements) == 1


def test_statements_say_where_they_come_from():
    own = {code for code in VOCABULARY.codes if VOCABULARY[code].origin == "challenge"}
    assert own == ONLY_THE_CHALLENGES <= set(SCORED_2021.values())
    assert len(VOCABULARY.codes) - len(own) == 71


def test_an_unmapped_code_is_kept_once():
    heart_failure = "84114007"
    reading = VOCABULARY.from_snomed([heart_failure, "426783006", heart_failure])
    assert reading.codes("present") == ["SR"]
    assert reading.unmapped == (heart_failure,)


def test_a_code_of_two_statements_is_refused(tmp_path):
    for file in ("certainty.yaml", "wording.yaml"):
        (tmp_path / file).write_bytes(STATEMENTS.with_name(file).read_bytes())
    curated = yaml.safe_load(STATEMENTS.read_text(encoding="utf-8"))
    curated["AFLT"]["snomed"] = ["164889003"]
    (tmp_path / "statements.yaml").write_text(yaml.safe_dump(curated, allow_unicode=True), encoding="utf-8")
    with pytest.raises(UserError, match="164889003 is both AFIB and AFLT"):
        Vocabulary.load(tmp_path / "statements.yaml")
