import time
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sediff.errors import UserError
from sediff.knowledge.measures import SCALARS, VOLTAGES
from sediff.knowledge.profiles import (
    age_band,
    build_profiles,
    build_terms,
    link,
    read_fits,
    training_profiles,
    ungrouped,
    view_titles,
)


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
        .then(pl.lit("2019-12-01T12:00:00"))
        .otherwise("recorded_at")
        .alias("recorded_at")
    )
    profiles = build_profiles(moved, [source], vocabulary)
    outside, inside = profiles.row(0, named=True), profiles.row(1, named=True)
    assert outside["patient_id"] == inside["patient_id"]
    assert (outside["admission"], outside["diagnoses"]) == ("", ["scp:LVH"])
    assert (inside["admission"], inside["diagnoses"]) == ("901", ["diagnosis:atrial fibrillation", "scp:LVH"])
    assert inside["medications"] == ["drug:digoxin"]
    assert inside["procedures"] == ["procedure:cardiac catheterisation and coronary angiography", "scp:AFIB"]


def brute_force(time: datetime, stays: list[tuple[datetime, datetime, str]]) -> str | None:
    begun = [stay for stay in stays if stay[0] <= time]
    if begun and max(begun, key=lambda stay: (stay[0], stay[2]))[1] >= time:
        return max(begun, key=lambda stay: (stay[0], stay[2]))[2]
    soon = [stay for stay in stays if time <= stay[0] <= time + timedelta(hours=24)]
    return min(soon, key=lambda stay: (stay[0], stay[2]))[2] if soon else None


HOURS = st.integers(0, 200).map(lambda hours: datetime(2150, 1, 1) + timedelta(hours=hours))


@settings(max_examples=100, deadline=None)
@given(
    stays=st.lists(st.tuples(st.sampled_from("ab"), HOURS, st.integers(1, 60)), max_size=12),
    times=st.lists(st.tuples(st.sampled_from("abc"), st.none() | HOURS), max_size=12),
)
def test_links_are_those_of_a_search_through_all_stays(stays, times):
    rows = [(p, start, start + timedelta(hours=length), str(n)) for n, (p, start, length) in enumerate(stays, 100)]
    times_of = {name: pl.Datetime("us") for name in ("admitted", "discharged", "time")}
    text = dict.fromkeys(("patient", "admission", "record_id"), pl.String)
    names = ("patient", "admitted", "discharged", "admission")
    admissions = pl.DataFrame(rows, {name: (text | times_of)[name] for name in names}, orient="row")
    records = pl.DataFrame(
        [(f"r{n}", patient, when) for n, (patient, when) in enumerate(times)],
        {name: (text | times_of)[name] for name in ("record_id", "patient", "time")},
        orient="row",
    )
    found = dict(link(records, admissions).iter_rows())
    for record_id, patient, when in records.iter_rows():
        own = [row[1:] for row in rows if row[0] == patient]
        assert found.get(record_id) == (brute_force(when, own) if when else None)


def test_an_ecg_shortly_before_a_stay_belongs_to_it_and_one_after_it_to_none():
    admissions = pl.DataFrame(
        {
            "patient": ["1"],
            "admission": ["9"],
            "admitted": [datetime(2150, 5, 2, 12)],
            "discharged": [datetime(2150, 5, 4, 12)],
        }
    )
    times = [datetime(2150, 5, 1, 13), datetime(2150, 5, 1, 11), datetime(2150, 5, 3), datetime(2150, 5, 5)]
    records = pl.DataFrame({"record_id": ["soon", "long before", "in", "after"], "patient": "1", "time": times})
    assert set(link(records, admissions)["record_id"]) == {"soon", "in"}


@pytest.mark.slow
def test_as_many_records_as_mimic_iv_ecg_has_are_linked_in_seconds():
    rng = np.random.default_rng(0)
    start = np.datetime64("2150-01-01", "us") + rng.integers(0, 10**9, 400_000).astype("timedelta64[s]")
    admissions = pl.DataFrame(
        {
            "patient": rng.integers(0, 180_000, 400_000).astype(str),
            "admitted": start,
            "discharged": start + np.timedelta64(4, "D"),
            "admission": np.arange(400_000).astype(str),
        }
    )
    when = start[rng.integers(0, 400_000, 800_000)] + rng.integers(-(10**5), 10**6, 800_000).astype("timedelta64[s]")
    patients = rng.integers(0, 180_000, 800_000).astype(str)
    records = pl.DataFrame({"record_id": np.arange(800_000).astype(str), "patient": patients, "time": when})
    started = time.process_time()
    link(records, admissions)
    assert time.process_time() - started < 30


def test_codes_of_both_versions_meet(records, vocabulary, source):
    """A patient coded in ICD-9 and one coded in ICD-10 share a disease."""
    hosp = source.root / "hosp"
    (hosp / "diagnoses_icd.csv").write_text("hadm_id,icd_code,icd_version\n901,42731,9\n902,I4891,10\n")
    profiles = build_profiles(records, [source], vocabulary)
    items = {row["admission"]: row["diagnoses"] for row in profiles.iter_rows(named=True)}
    assert "diagnosis:atrial fibrillation" in items["901"]
    assert "diagnosis:atrial fibrillation" in items["902"]


def test_codes_in_no_group_are_counted(records, vocabulary, source):
    assert ungrouped(build_profiles(records, [source], vocabulary)) == 0
    (source.root / "hosp/diagnoses_icd.csv").write_text("hadm_id,icd_code,icd_version\n901,U850,10\n901,I10,10\n")
    assert ungrouped(build_profiles(records, [source], vocabulary)) == 2  # of the patient's two records


def test_terms_know_names_and_count_training_profiles(records, vocabulary, source):
    profiles = build_profiles(records, [source], vocabulary)
    terms = {row["item"]: row for row in build_terms(profiles, [source], vocabulary).iter_rows(named=True)}
    assert terms["diagnosis:hypertension"]["title"] == "hypertension"
    assert "lanoxin" in terms["drug:digoxin"]["names"]
    training = profiles.filter(pl.col("split") == "train")
    assert terms["scp:AFIB"]["count"] == sum("AFIB" in codes for codes in training["statements"])


def test_a_corpus_without_training_records_is_refused(records, vocabulary):
    profiles = build_profiles(records.filter(pl.col("split") == "test"), [], vocabulary)
    with pytest.raises(UserError, match="no training record"):
        training_profiles(profiles)


def test_ages_are_told_in_bands():
    assert [age_band(age) for age in (None, float("nan"), 7, 71.5, 90, 103)] == [
        None, None, "0 to 9", "70 to 79", "90 or over", "90 or over",
    ]  # fmt: skip


def test_a_view_is_called_by_what_it_holds():
    items = {"diagnoses": ["scp:LVH"], "medications": ["drug:digoxin", "scp:INVT"], "procedures": []}
    assert view_titles(items) == {
        "diagnoses": "diagnostic statements",
        "medications": "medications and form statements",
        "procedures": "procedures",
    }
