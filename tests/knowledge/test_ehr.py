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
    assert {"icd9:427", "icd10:I48", "icd10:I10"} <= diagnoses
    medications = set(admissions["medications"].explode().drop_nulls())
    assert {"drug:metoprolol", "drug:digoxin", "drug:furosemide"} <= medications
    assert not {"drug:", "drug:bag", "drug:metoprolol tartrate"} & medications
    assert (admissions["diagnoses"].list.len() > 10).any()


def test_admissions_hold_sorted_items_once(source):
    admissions = read_admissions(source.root / "hosp")
    first = admissions.row(0, named=True)
    assert (first["patient"], first["admission"]) == ("1", "901")
    assert first["diagnoses"] == ["icd10:I48"]
    assert first["medications"] == ["drug:digoxin"]
    assert first["procedures"] == ["icd10-procedure:4A0"]


def test_a_missing_table_and_column_are_named(source):
    hosp = source.root / "hosp"
    (hosp / "prescriptions.csv").write_text("subject_id,hadm_id\n1,2\n")
    with pytest.raises(UserError, match=r"prescriptions\.csv has no column drug"):
        read_admissions(hosp)
    (hosp / "prescriptions.csv").write_text("subject_id,hadm_id,drug\n")
    (hosp / "procedures_icd.csv").unlink()
    with pytest.raises(UserError, match="procedures_icd"):
        read_admissions(hosp)


def test_titles_are_those_of_the_shortest_code(source):
    hosp = source.root / "hosp"
    assert diagnosis_titles(hosp) == {}
    (hosp / "d_icd_diagnoses.csv").write_text(
        "icd_code,icd_version,long_title\nI4891,10,Unspecified atrial fibrillation\nI48,10,Fibrillation and flutter\n"
    )
    assert diagnosis_titles(hosp) == {"icd10:I48": "Fibrillation and flutter"}
