import polars as pl
import pytest

from sediff.errors import UserError
from sediff.knowledge.measures import SCALARS, VOLTAGES
from sediff.knowledge.profiles import build_profiles, build_terms, read_fits, training_profiles


def test_without_an_ehr_the_views_are_diagnostic_form_and_rhythm(records, vocabulary):
    profiles = build_profiles(records, [], vocabulary)
    assert profiles["record_id"].to_list() == records["record_id"].to_list()
    row = profiles.filter(pl.col("statements") == ["CLBBB", "SR", "STD_"]).row(0, named=True)
    assert (row["diagnoses"], row["medications"], row["procedures"]) == (["scp:CLBBB"], ["scp:STD_"], ["scp:SR"])
    assert row["admission"] == ""


def test_profiles_carry_what_was_measured_and_fitted(records, simulator, vocabulary):
    profiles = build_profiles(records, [], vocabulary, read_fits(simulator))
    assert profiles["record_id"].to_list() == records["record_id"].to_list()
    for name in (*SCALARS, *VOLTAGES):
        assert profiles[name].to_list() == records[name].to_list(), name
    fitted = profiles.filter(pl.col("theta").is_not_null())
    assert 0 < len(fitted) < len(profiles) and set(fitted["split"]) == {"train"}
    assert fitted["a"].to_list() == [[pytest.approx((rate or 70) / 100)] * 40 for rate in fitted["heart_rate"]]


def test_without_any_fit_there_is_no_morphology(records, simulator, vocabulary):
    path = simulator / "records.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    for profiles in (
        build_profiles(records, [], vocabulary, read_fits(simulator)),
        build_profiles(records, [], vocabulary),
    ):
        assert profiles["theta"].null_count() == len(records)
    path.unlink()
    with pytest.raises(UserError, match="run the simulator stage first"):
        read_fits(simulator)


def test_an_ehr_is_linked_by_patient_and_time(records, vocabulary, source):
    moved = records.with_columns(
        pl.when(pl.col("record_id") == "cohort/00001")
        .then(pl.lit("2019-12-31T12:00:00"))
        .otherwise("recorded_at")
        .alias("recorded_at")
    )
    profiles = build_profiles(moved, [source], vocabulary)
    outside, inside = profiles.row(0, named=True), profiles.row(1, named=True)
    assert outside["patient_id"] == inside["patient_id"]
    assert (outside["admission"], outside["diagnoses"]) == ("", ["scp:LVH"])
    assert (inside["admission"], inside["diagnoses"]) == ("901", ["icd10:I48", "scp:LVH"])
    assert inside["medications"] == ["drug:digoxin"]
    assert inside["procedures"] == ["icd10-procedure:4A0", "scp:AFIB"]


def test_terms_know_names_and_count_training_profiles(records, vocabulary, source):
    profiles = build_profiles(records, [source], vocabulary)
    terms = {row["item"]: row for row in build_terms(profiles, [source], vocabulary).iter_rows(named=True)}
    assert terms["icd9:401"]["title"] == "hypertension"
    assert "lanoxin" in terms["drug:digoxin"]["names"]
    training = profiles.filter(pl.col("split") == "train")
    assert terms["scp:AFIB"]["count"] == sum("AFIB" in codes for codes in training["statements"])


def test_a_corpus_without_training_records_is_refused(records, vocabulary):
    profiles = build_profiles(records.filter(pl.col("split") == "test"), [], vocabulary)
    with pytest.raises(UserError, match="no training record"):
        training_profiles(profiles)
