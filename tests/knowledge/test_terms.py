from collections import Counter

import polars as pl
import pytest
import yaml

from sediff.cohort.history import COMORBIDITIES, COMPLAINTS, HYPERTENSION, INFARCTION
from sediff.knowledge.terms import DIAGNOSES, DrugNames, IcdGroups, diagnosis_names, first_characters

from .conftest import ROOT

DEMO = ROOT.parent / "shared/data/mimic-iv-demo"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Metoprolol Succinate XL", "metoprolol"),
        ("Lopressor 25 mg Tablet", "metoprolol"),
        ("HYDROmorphone (Dilaudid)", "hydromorphone"),
        ("Potassium Chloride", "potassium chloride"),
        ("Albuterol 0.083% Neb Soln", "albuterol"),
        ("Aspirin EC", "aspirin"),
        ("Sodium Chloride 0.9%  Flush", "sodium chloride"),
        ("Bag", ""),
        ("Calcium Gluconate", "calcium gluconate"),
        ("Ferrous Sulfate (Liquid)", "iron"),
        ("quiniDINE Gluconate E.R.", "quinidine"),
        ("Ipratropium-Albuterol Neb", "albuterol-ipratropium"),
        ("OxyCODONE--Acetaminophen (5mg-325mg)", "acetaminophen-oxycodone"),
        ("Neutra-Phos", "phosphorus"),
        ("PHENObarbital - ICU Alcohol Withdrawal (Loading Dose 1) ", "phenobarbital"),
        ("Insulin Glargine  (CVICU Protocol)", "insulin"),
        ("Influenza Vaccine Quadrivalent", "influenza vaccine"),
    ],
)
def test_dose_form_salt_and_brand_are_folded(name, expected):
    assert DrugNames.load().normalise(name) == expected


def items_of(kind: str, codes: list[str], versions: list[str]) -> list[str]:
    group = getattr(IcdGroups.load(), kind)
    table = pl.DataFrame({"code": codes, "version": versions})
    return table.select(group(pl.col("code"), pl.col("version"))).to_series().to_list()


@pytest.mark.parametrize(
    ("icd9", "icd10", "title"),
    [
        ("42731", "I48.91", "atrial fibrillation"),
        ("42732", "I4892", "atrial flutter"),
        ("4271", "I472", "ventricular tachycardia"),
        ("42781", "I495", "sinus node disease"),
        ("4263", "I447", "left bundle branch block"),
        ("4264", "I4510", "right bundle branch block"),
        ("4260", "I442", "atrioventricular block"),
        ("4019", "I10", "hypertension"),
        ("41071", "I214", "acute myocardial infarction"),
        ("412", "I252", "old myocardial infarction"),
        ("41401", "I2510", "coronary artery disease"),
        ("4280", " i509 ", "heart failure"),
        ("4254", "I420", "cardiomyopathy"),
        ("25000", "E119", "diabetes mellitus"),
        ("2767", "E875", "hyperkalaemia"),
        ("5859", "N189", "chronic kidney disease"),
        ("V4501", "Z950", "cardiac pacemaker"),
        ("V4581", "Z951", "coronary bypass"),
        ("E8889", "W19XXXA", "fall"),
        ("82020", "S72001A", "fracture of hip"),
    ],
)
def test_both_versions_of_a_disease_are_one_item(icd9, icd10, title):
    assert items_of("diagnosis", [icd9, icd10], ["9", "10"]) == [f"diagnosis:{title}"] * 2


def test_both_versions_of_a_procedure_are_one_item():
    pairs = {"3961": "5A1221Z", "3607": "027034Z", "3722": "4A023N7", "3615": "02100Z9", "3995": "5A1D70Z"}
    assert items_of("procedure", list(pairs), ["9"] * 5) == items_of("procedure", list(pairs.values()), ["10"] * 5)
    assert items_of("procedure", ["3722"], ["9"]) == ["procedure:cardiac catheterisation and coronary angiography"]


def test_a_code_in_no_group_stands_under_its_category():
    assert items_of("diagnosis", ["XYZ12", "E99912", "7XX"], ["10", "10", "9"]) == [
        "icd10:XYZ",
        "icd10:E99",
        "icd9:7XX",
    ]
    assert items_of("procedure", ["ZZ123"], ["10"]) == ["icd10-procedure:ZZ"]


def test_no_beginning_of_a_code_stands_in_two_groups():
    groups = IcdGroups.load()
    for kind in (groups.diagnoses, groups.procedures):
        for version in (0, 1):
            found = [code for ranges in kind.values() for one in ranges[version] for code in first_characters(one)]
            assert not [code for code, count in Counter(found).items() if count > 1]


@pytest.mark.skipif(not DEMO.is_dir(), reason="../shared/data/mimic-iv-demo is not here")
@pytest.mark.parametrize(("table", "kind"), [("diagnoses_icd", "diagnosis"), ("procedures_icd", "procedure")])
def test_groups_cover_the_codes_of_the_demo(table, kind):
    rows = pl.read_csv(DEMO / f"hosp/{table}.csv.gz", infer_schema=False)
    items = items_of(kind, rows["icd_code"].to_list(), rows["icd_version"].to_list())
    assert sum(item.startswith(f"{kind}:") for item in items) / len(items) > 0.97


UNUSED = (
    "019 043 044 058 059 067 068 069 089 105 106 107 108 109 119 166 167 168 169 177 178 247 248 328 329 399 400 406 "
    "407 408 409 418 419 439 449 450 467 468 469 479 489 497 498 499 509 544 545 546 547 548 549 554 559 561 563 609 "
    "613 687 688 689 699 849 855 856 857 858 859 898 899"
)
DIVIDED = "276 415 995"  # into groups by their fourth digit


def test_groups_cover_every_category_that_is_in_use():
    nine = [f"{number:03}" for number in range(1, 1000)] + [f"V{number:02}" for number in range(1, 90)]
    ungrouped = [item.removeprefix("icd9:") for item in items_of("diagnosis", nine, ["9"] * len(nine))]
    assert {item for item in ungrouped if ":" not in item} == {*UNUSED.split(), *DIVIDED.split()}
    ten = [f"{letter}{number:02}" for letter in "ABCDEFGHIJKLMNOPQRSTVWXYZ" for number in range(100)]
    ungrouped = [item for item in items_of("diagnosis", ten, ["10"] * len(ten)) if item.startswith("icd")]
    assert len(ungrouped) < 0.15 * len(ten), "letters have more numbers than categories"


def test_the_virtual_cohorts_codes_are_in_groups_that_both_versions_share():
    histories = [illness.history for illness in COMORBIDITIES] + list(COMPLAINTS) + [INFARCTION, HYPERTENSION]
    for kind, pairs in (
        ("diagnosis", [pair for history in histories for pair in history.diagnoses]),
        ("procedure", [pair for history in histories for pair in history.procedures]),
    ):
        ten, nine = (items_of(kind, [pair[n] for pair in pairs], [v] * len(pairs)) for n, v in ((0, "10"), (1, "9")))
        assert ten == nine
        assert all(item.startswith(f"{kind}:") for item in ten)


def test_names_are_those_of_groups():
    names = diagnosis_names()
    assert names["diagnosis:heart failure"][:2] == ["heart failure", "congestive heart failure"]
    assert set(yaml.safe_load(DIAGNOSES.read_text())) <= set(IcdGroups.load().diagnoses)


@pytest.mark.skipif(not DEMO.is_dir(), reason="../shared/data/mimic-iv-demo is not here")
def test_drugs_of_the_demo_are_folded():
    rows = pl.read_csv(DEMO / "hosp/prescriptions.csv.gz", infer_schema=False).filter(pl.col("drug_type") == "MAIN")
    names = rows["drug"].unique().to_list()
    normalise = DrugNames.load().normalise
    normalised = {normalise(name) for name in names} - {""}
    assert len(names) == 584
    assert len(normalised) < 0.66 * len(names)
    assert not [name for name in normalised if any(character.isdigit() for character in name)]
