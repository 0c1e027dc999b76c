"""What a patient's data touched, against the tables themselves."""

from pathlib import Path

import polars as pl
import pytest

from sediff.errors import UserError
from sediff.lineage.impact import Impact, impact, impact_lines
from sediff.pseudonyms import Pseudonyms

OPEN = Pseudonyms()


def counts(found: Impact) -> dict[str, int]:
    return {f"{one.where}: {one.what}": one.count for one in found.rows}


def corpus(root: Path) -> pl.DataFrame:
    return pl.read_parquet(root / "data/corpus/records/*.parquet", columns=["record_id", "patient_id", "split"])


def test_a_training_record_touched_what_names_it(made):
    experience = pl.read_parquet(made / "data/knowledge/experience.parquet")
    named = experience["neighbours"].explode().value_counts(sort=True)
    record = named["neighbours"][0]
    found = impact(made, record, "record", OPEN)
    touched = counts(found)
    assert (
        touched["data/knowledge/experience.parquet: experiences of other records that rest on it"] == named["count"][0]
    )
    for request in ("evaluation", "dataset"):
        rows = pl.read_parquet(made / f"data/synthesis/{request}/records/*.parquet")
        where = f"data/synthesis/{request}: synthetic records"
        assert touched[f"{where} with its condition"] == 0
        resting = rows.filter(pl.col("neighbours").list.contains(record))["record_id"].to_list()
        assert touched[f"{where} whose experience rests on it"] == len(resting)
        (own,) = (one for one in found.rows if f"{one.where}: {one.what}" == f"{where} whose experience rests on it")
        assert own.examples == resting[:5]
    assert touched["data/simulator/records.parquet: fits of its records"] == 1
    assert found.models["diffusion"] == found.models["autoencoder"] == "trained on 1 of 1 records"


def test_a_held_out_record_taught_nobody(made):
    records = corpus(made).filter(pl.col("split") == "test")
    rows = pl.read_parquet(made / "data/synthesis/evaluation/records/*.parquet")["matched_record_id"]
    found = impact(made, records["record_id"][0], "record", OPEN)
    assert set(found.models.values()) == {"did not learn from it"}
    touched = counts(found)
    assert touched["data/simulator/records.parquet: fits of its records"] == 0
    condition = "data/synthesis/evaluation: synthetic records with its condition"
    assert touched[condition] == (rows == records["record_id"][0]).sum() > 0


def test_a_patient_is_all_of_their_records(made):
    records = corpus(made)
    patient = records["patient_id"].value_counts(sort=True)["patient_id"][0]
    own = records.filter(pl.col("patient_id") == patient)["record_id"].to_list()
    found = impact(made, patient, "patient", OPEN)
    assert sorted(one["record_id"] for one in found.records) == sorted(own)
    assert len(own) > 1
    text = "\n".join(impact_lines(found))
    assert all(record in text for record in own)
    assert found.as_json()["records"] == found.records


def test_rows_under_pseudonyms_are_found_with_the_key(tree):
    key = Pseudonyms(frozenset({"virtual"}), b"k" * 32)
    for path in (tree / "data/synthesis/evaluation/records").glob("*.parquet"):
        rows = pl.read_parquet(path)
        named = rows["matched_record_id"].map_elements(key.of, return_dtype=pl.String)
        near = rows["neighbours"].map_elements(
            lambda ids: [key.of(one) for one in ids], return_dtype=pl.List(pl.String)
        )
        rows.with_columns(matched_record_id=named, neighbours=near).write_parquet(path)
    record = corpus(tree).filter(pl.col("split") == "test")["record_id"][0]
    condition = "data/synthesis/evaluation: synthetic records with its condition"
    assert counts(impact(tree, record, "record", key))[condition] > 0
    assert counts(impact(tree, record, "record", OPEN))[condition] == 0


def test_mistakes_are_one_sentence(made):
    with pytest.raises(UserError, match="has no patient or record virtual/99999: give an id as it stands"):
        impact(made, "virtual/99999", "", OPEN)
    records = corpus(made)
    both = sorted(set(records["record_id"]) & set(records["patient_id"]))
    several = [name for name in both if records.filter(record_id=name)["patient_id"].to_list() != [name]]
    with pytest.raises(UserError, match="names a patient and a record of another: say --patient or --record"):
        impact(made, several[0], "", OPEN)
