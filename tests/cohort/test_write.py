import ast
import gzip

import numpy as np
import polars as pl
import pytest
import wfdb

from sediff.cohort.conditions import CONDITIONS
from sediff.cohort.ehr import COLUMNS
from sediff.cohort.params import CohortParams
from sediff.cohort.simulate import AXES, true_values
from sediff.cohort.write import write_cohort
from sediff.ecg import LEADS, SAMPLES, SAMPLING_RATE, limb_lead_residual
from sediff.files import sha256_file


def table(cohort):
    return pl.read_csv(cohort / "ptbxl_database.csv", infer_schema_length=None)


def hosp(cohort, name):
    return pl.read_csv(cohort / "hosp" / f"{name}.csv.gz", infer_schema_length=None, schema_overrides={"icd_code": str})


def hashes(root):
    return {path.relative_to(root): sha256_file(path) for path in sorted(root.rglob("*")) if path.is_file()}


def test_records_are_read_by_wfdb_as_ptb_xl_s_are(cohort):
    for name in table(cohort)["filename_lr"]:
        record = wfdb.rdrecord(str(cohort / name))
        assert record.sig_name == [lead.upper() for lead in LEADS]
        assert (record.fs, record.sig_len, set(record.units)) == (SAMPLING_RATE, SAMPLES, {"mV"})
        assert np.isfinite(record.p_signal).all()


def test_limb_leads_follow_from_i_and_ii_to_rounding(cohort):
    for name in table(cohort)["filename_lr"].head(20):
        microvolts = wfdb.rdrecord(str(cohort / name)).p_signal.T * 1000
        residual = np.abs(limb_lead_residual(microvolts))
        assert residual[0].max() < 1e-6
        assert residual.max() <= 0.5 + 1e-6


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path, vocabulary):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_cohort(CohortParams(patients=20, seed=seed), tmp_path / name, vocabulary)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b") != hashes(tmp_path / "c")
    header = gzip.GzipFile(tmp_path / "a/hosp/patients.csv.gz")
    header.read()
    assert header.mtime == 0


def test_a_cohort_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path, vocabulary):
    root = tmp_path / "cohort"
    root.mkdir()
    (root / "stale.txt").write_text("x")
    (tmp_path / "cohort.building").mkdir()
    write_cohort(CohortParams(patients=20), root, vocabulary)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]
    assert not (root / "stale.txt").exists()


def test_every_condition_occurs_in_a_small_cohort(cohort):
    present = {frozenset(ast.literal_eval(codes)) for codes in table(cohort)["scp_codes"]}
    assert present == {frozenset(condition.statements) for condition in CONDITIONS.values()}


def test_folds_are_patient_disjoint(cohort):
    folds = table(cohort).group_by("patient_id").agg(pl.col("strat_fold").n_unique())
    assert folds["strat_fold"].max() == 1
    assert set(table(cohort)["strat_fold"]) == set(range(1, 11))


def test_every_recording_lies_within_a_stay_of_its_patient(cohort):
    rows = table(cohort).select(subject_id=pl.col("patient_id").cast(pl.Int64), recorded="recording_date")
    stays = hosp(cohort, "admissions").select("subject_id", "admittime", "dischtime")
    joined = rows.with_row_index().join(stays, on="subject_id")
    within = joined.filter(pl.col("recorded").is_between(pl.col("admittime"), pl.col("dischtime")))
    assert within["index"].n_unique() == len(rows)


def test_the_tables_have_mimic_s_columns_and_agree_on_patients(cohort):
    for name, columns in COLUMNS.items():
        assert tuple(hosp(cohort, name).columns) == columns
    sexes = dict(zip(hosp(cohort, "patients")["subject_id"], hosp(cohort, "patients")["gender"], strict=True))
    for patient, sex in table(cohort).select("patient_id", "sex").iter_rows():
        assert sexes[int(patient)] == ("F" if sex else "M")


def test_a_stay_is_coded_in_one_version_of_the_icd(cohort):
    coded = pl.concat(
        [hosp(cohort, name).select("hadm_id", "icd_version") for name in ("diagnoses_icd", "procedures_icd")]
    )
    assert coded.group_by("hadm_id").agg(pl.col("icd_version").n_unique())["icd_version"].max() == 1
    assert set(coded["icd_version"]) == {9, 10}


def test_diagnoses_fit_the_condition(cohort):
    patients = table(cohort).filter(pl.col("scp_codes").str.contains("AFIB"))["patient_id"].cast(pl.Int64).unique()
    diagnoses = hosp(cohort, "diagnoses_icd").with_columns(fibrillation=pl.col("icd_code").is_in(["I4891", "42731"]))
    shares = diagnoses.group_by("subject_id").agg(pl.col("fibrillation").any())
    own = shares.filter(pl.col("subject_id").is_in(patients.implode()))["fibrillation"].mean()
    others = shares.filter(~pl.col("subject_id").is_in(patients.implode()))["fibrillation"].mean()
    assert own > 0.6
    assert others == 0


def test_the_truth_has_a_row_for_every_recording(cohort):
    truth = pl.read_parquet(cohort / "truth.parquet")
    assert truth["ecg_id"].to_list() == table(cohort)["ecg_id"].to_list()
    assert truth.equals(true_values(CohortParams(patients=60))), "and is simulated again to the last bit"
    for peaks, ectopic in truth.select("r_peaks", "ectopic").iter_rows():
        assert len(peaks) == len(ectopic) >= 3
        assert (np.diff(peaks) > 0).all()


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_report_says_what_its_codes_say(name, vocabulary):
    condition = CONDITIONS[name]
    for phrases, axis in ((condition.english, 2), (condition.german, 3)):
        for text in (f"{phrase} {entry[axis]}." for phrase in phrases for entry in AXES):
            found = {finding.code for finding in vocabulary.find(text) if finding.certainty == "present"}
            assert found - {"LAD", "RAD"} == set(condition.statements), text  # an axis has a column, and no SCP code
