"""MIMIC-IV's `hosp/` layout, csv or csv.gz: one row an admission, with its diagnoses, medications and procedures."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from sediff.errors import UserError
from sediff.knowledge.terms import DrugNames, diagnosis_category, procedure_category

FOLDER = "hosp"


def read_admissions(hosp: Path) -> pl.DataFrame:
    """Admissions with what was coded and prescribed in them.

    Returns:
        patient (subject_id as text), admission (hadm_id as text), admitted and discharged (the stay begins in the
        emergency department where its registration is known), diagnoses (ICD categories), medications (normalised
        names), procedures (ICD categories): sorted lists without repetition. Sorted by admission.

    Raises:
        UserError: a table or a column is missing, or a table is not CSV in UTF-8.
    """
    admissions = _table(hosp, "admissions", ("subject_id", "hadm_id", "admittime", "dischtime"))
    version = pl.col("icd_version").str.strip_chars()
    items = {
        "diagnoses": _table(hosp, "diagnoses_icd", ("hadm_id", "icd_code", "icd_version")).select(
            "hadm_id", item=diagnosis_category(pl.col("icd_code"), version)
        ),
        "medications": _medications(hosp),
        "procedures": _table(hosp, "procedures_icd", ("hadm_id", "icd_code", "icd_version")).select(
            "hadm_id", item=procedure_category(pl.col("icd_code"), version)
        ),
    }
    arrival = "edregtime" if "edregtime" in admissions.collect_schema().names() else "admittime"
    result = admissions.select(
        patient=pl.col("subject_id"),
        hadm_id=pl.col("hadm_id"),
        admitted=pl.min_horizontal(_time("admittime"), _time(arrival)),
        discharged=_time("dischtime"),
    )
    for view, rows in items.items():
        lists = rows.drop_nulls().group_by("hadm_id").agg(pl.col("item").unique().sort().alias(view))
        result = result.join(lists, on="hadm_id", how="left")
    empty = pl.lit([], dtype=pl.List(pl.String))
    collected = _collect(result.with_columns(pl.col(view).fill_null(empty) for view in items), hosp)
    return collected.rename({"hadm_id": "admission"}).sort("admission", "patient")


def _collect(frame: pl.LazyFrame, hosp: Path) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except (PolarsError, OSError) as error:
        raise UserError(f"{hosp} cannot be read as MIMIC-IV tables ({str(error).splitlines()[0]}): mend it.") from None


def diagnosis_titles(hosp: Path) -> dict[str, str]:
    """Titles of ICD categories from the optional `d_icd_diagnoses` table: that of the category's shortest code."""
    if _find(hosp, "d_icd_diagnoses") is None:
        return {}
    table = _table(hosp, "d_icd_diagnoses", ("icd_code", "icd_version", "long_title"))
    code = pl.col("icd_code").str.strip_chars()
    rows = table.select(
        category=diagnosis_category(code, pl.col("icd_version").str.strip_chars()),
        code=code,
        title=pl.col("long_title"),
    ).sort("category", pl.col("code").str.len_chars(), "code")
    first = _collect(rows.group_by("category", maintain_order=True).first(), hosp)
    return dict(zip(first["category"], first["title"], strict=True))


def _medications(hosp: Path) -> pl.LazyFrame:
    table = _table(hosp, "prescriptions", ("hadm_id", "drug"))
    if "drug_type" in table.collect_schema().names():  # BASE and ADDITIVE are what a drug is dissolved in
        table = table.filter(pl.col("drug_type").fill_null("MAIN") == "MAIN")
    pairs = table.select("hadm_id", "drug").drop_nulls().unique()
    normalise = DrugNames.load().normalise
    names = _collect(pairs.select("drug").unique(), hosp)["drug"].to_list()
    items = [f"drug:{normalised}" if (normalised := normalise(name)) else None for name in names]
    normalised_names = pl.LazyFrame({"drug": names, "item": items}, schema={"drug": pl.String, "item": pl.String})
    return pairs.join(normalised_names, on="drug").select("hadm_id", "item")


def _time(column: str) -> pl.Expr:
    return pl.col(column).str.replace("T", " ").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)


def _find(hosp: Path, name: str) -> Path | None:
    return next((path for suffix in (".csv", ".csv.gz") if (path := hosp / f"{name}{suffix}").is_file()), None)


def _table(hosp: Path, name: str, columns: Sequence[str]) -> pl.LazyFrame:
    path = _find(hosp, name)
    if path is None:
        raise UserError(f"{hosp / name}.csv or .csv.gz is missing: an EHR folder needs it, or remove {hosp}.")
    try:
        table = pl.scan_csv(path, infer_schema=False)
        missing = [column for column in columns if column not in table.collect_schema().names()]
    except (PolarsError, OSError) as error:
        raise UserError(f"{path} cannot be read as CSV in UTF-8 ({str(error).splitlines()[0]}): mend it.") from None
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}: is it MIMIC-IV's table?")
    return table
