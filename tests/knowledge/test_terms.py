import polars as pl
import pytest

from sediff.knowledge.terms import DrugNames, diagnosis_category, procedure_category


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
    ],
)
def test_dose_form_salt_and_brand_are_folded(name, expected):
    assert DrugNames.load().normalise(name) == expected


def test_icd_codes_are_brought_to_categories():
    codes = pl.DataFrame(
        {"code": ["42731", "E8490", "V4581", "I48.91", " i4891 "], "version": ["9", "9", "9", "10", "10"]}
    )
    found = codes.select(diagnosis_category(pl.col("code"), pl.col("version"))).to_series().to_list()
    assert found == ["icd9:427", "icd9:E849", "icd9:V45", "icd10:I48", "icd10:I48"]
    codes = pl.DataFrame({"code": ["3961", "4A023N7"], "version": ["9", "10"]})
    found = codes.select(procedure_category(pl.col("code"), pl.col("version"))).to_series().to_list()
    assert found == ["icd9-procedure:39", "icd10-procedure:4A0"]
