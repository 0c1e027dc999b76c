import gzip
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.knowledge.ehr import diagnosis_titles, read_admissions

from .conftest import ROOT

DEMO = ROOT.parent / "shared/data/mimic-iv-demo/hosp"


@pytest.mark.skipif(not DEMO.is_dir(), reason="../shared/data/mimic-iv-demo is not here")
def test_the_real_demo_is_read_whole():
    admissions = read_admissions(DEMO)
    assert len(admissions) == 275
    assert admissions["patient"].n_unique() == 100
    assert admissions["admitted"].null_count() == admissions["discharged"].null_count() == 0
    assert (admissions["admitted"] < admissions["discharged"]).all()
    diagnoses = set(admissions["diagnoses"].explode().drop_nulls())
    assert {"diagnosis:atrial fibrillation", "diagnosis:hypertension", "diagnosis:heart failure"} <= diagnoses
    medications = set(admissions["medications"].explode().drop_nulls())
    assert {"drug:metoprolol", "drug:digoxin", "drug:furosemide"} <= medications
    assert not {"drug:", "drug:bag", "drug:metoprolol tartrate"} & medications
    assert (admissions["diagnoses"].list.len() > 10).any()


def test_admissions_hold_sorted_items_once(source):
    admissions = read_admissions(source.root / "hosp")
    first = admissions.row(0, named=True)
    assert (first["patient"], first["admission"]) == ("1", "901")
    assert first["diagnoses"] == ["diagnosis:atrial fibrillation"]
    assert first["medications"] == ["drug:digoxin"]
    assert first["procedures"] == ["procedure:cardiac catheterisation and coronary angiography"]


def test_a_missing_table_and_column_are_named(source):
    hosp = source.root / "hosp"
    (hosp / "prescriptions.csv").write_text("subject_id,hadm_id\n1,2\n")
    with pytest.raises(UserError, match=r"prescriptions\.csv has no column drug"):
        read_admissions(hosp)
    (hosp / "prescriptions.csv").write_text("subject_id,hadm_id,drug\n")
    (hosp / "procedures_icd.csv").unlink()
    with pytest.raises(UserError, match="procedures_icd"):
        read_admissions(hosp)


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("table", "old", "new", "said"),
    [
        ("admissions", "\n2,902,", "\n1,901,", "admission 901 stands twice"),
        ("admissions", "\n2,902,", "\n,902,", "admission 902 has no patient"),
        ("admissions", "\n2,902,", "\n77,902,", "admission 902 has no patient in the table patients, 1 rows"),
        ("admissions", "2,902,2020-01-03 06:00:00", "2,902,yesterday", "admission 902 has no admittime"),
        ("diagnoses_icd", "4019,9", "4019,11", "diagnoses_icd: icd_version 11 is neither 9 nor 10"),
        ("diagnoses_icd", "4019,9", "4019,", "diagnoses_icd: icd_version None is neither"),
        ("procedures_icd", "4A023N7,10", "4A023N7,8", "procedures_icd: icd_version 8 is neither"),
    ],
)
def test_what_is_wrong_in_a_row_is_told(source, table, old, new, said):
    hosp = source.root / "hosp"
    rewrite(hosp / f"{table}.csv", old, new)
    with pytest.raises(UserError, match=said):
        read_admissions(hosp)


@pytest.mark.parametrize("table", ["admissions", "prescriptions"])
def test_a_table_that_is_not_utf_8_is_named(source, table):
    path = source.root / f"hosp/{table}.csv"
    path.write_bytes(path.read_bytes() + "3,903,Zäpfchen,x\n".encode("latin-1"))
    with pytest.raises(UserError, match=f"{table} cannot be read as CSV in UTF-8"):
        read_admissions(path.parent)


def test_compressed_tables_give_the_same_and_broken_ones_are_named(source):
    hosp = source.root / "hosp"
    expected = read_admissions(hosp)
    for path in sorted(hosp.glob("*.csv")):
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_admissions(hosp).equals(expected)
    broken = hosp / "prescriptions.csv.gz"
    whole = broken.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:-8], whole[:20] + b"x" * 40 + whole[60:]):
        broken.write_bytes(part)
        with pytest.raises(UserError, match=r"prescriptions(\.csv\.gz)? cannot be read as CSV"):
            read_admissions(hosp)


def test_an_empty_table_is_named(source):
    (source.root / "hosp/admissions.csv").write_text("")
    with pytest.raises(UserError, match=r"admissions\.csv cannot be read as CSV"):
        read_admissions(source.root / "hosp")


def test_titles_are_of_what_is_in_no_group_and_those_of_the_shortest_code(source):
    hosp = source.root / "hosp"
    assert diagnosis_titles(hosp) == {}
    (hosp / "d_icd_diagnoses.csv").write_text(
        "icd_code,icd_version,long_title\nI4891,10,Unspecified atrial fibrillation\n"
        "U8501,10,Resistance to one\nU85,10,Resistance to many\n"
    )
    assert diagnosis_titles(hosp) == {"icd10:U85": "Resistance to many"}
