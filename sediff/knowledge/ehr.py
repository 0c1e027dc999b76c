"""MIMIC-IV's `hosp/` layout, csv or csv.gz: one row an admission, with its diagnoses, medications and procedures."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from sediff.errors import UserError
from sediff.knowledge.terms import DrugNames, IcdGroups

FOLDER = "hosp"
VERSIONS = ("9", "10")
TABLES = {"diagnoses": "diagnoses_icd", "medications": "prescriptions", "procedures": "procedures_icd"}
COLUMNS = {
    "patients": ("subject_id",),
    "admissions": ("subject_id", "hadm_id", "admittime", "dischtime"),
    "diagnoses_icd": ("hadm_id", "icd_code", "icd_version"),
    "prescriptions": ("hadm_id", "drug"),
    "procedures_icd": ("hadm_id", "icd_code", "icd_version"),
}


def read_admissions(hosp: Path) -> pl.DataFrame:
    """Admissions with what was coded and prescribed in them.

    Memory goes with the admissions, not with the rows of the tables: those are streamed, compressed or not.

    Returns:
        patient (subject_id as text), admission (hadm_id as text), admitted and discharged (the stay begins in the
        emergency department where its registration is known), diagnoses and procedures (groups of ICD codes),
        medications (normalised names): sorted lists without repetition. Sorted by admission.

    Raises:
        UserError: a table or a column is missing, a table is not CSV in UTF-8, an admission stands twice, has no
            patient or no times, or an ICD version is neither 9 nor 10.
    """
    tables = {name: _table(hosp, name, columns) for name, columns in COLUMNS.items()}
    result = _admissions(tables, hosp)
    items = {
        "diagnoses": _coded(tables["diagnoses_icd"], "diagnoses_icd", hosp),
        "medications": _medications(tables["prescriptions"], hosp),
        "procedures": _coded(tables["procedures_icd"], "procedures_icd", hosp),
    }
    for view, rows in items.items():
        lists = rows.drop_nulls().unique().group_by("hadm_id").agg(pl.col("item").sort().alias(view))
        collected = _collect(lists, hosp / TABLES[view])
        result = result.join(collected, left_on="admission", right_on="hadm_id", how="left")
    empty = pl.lit([], dtype=pl.List(pl.String))
    return result.with_columns(pl.col(view).fill_null(empty) for view in items).sort("admission")


def _admissions(tables: dict[str, pl.LazyFrame], hosp: Path) -> pl.DataFrame:
    table = tables["admissions"]
    arrival = "edregtime" if "edregtime" in table.collect_schema().names() else "admittime"
    admissions = _collect(
        table.select(
            patient=pl.col("subject_id").str.strip_chars(),
            admission=pl.col("hadm_id"),
            admitted=pl.min_horizontal(_time("admittime"), _time(arrival)),
            discharged=_time("dischtime"),
        ),
        hosp / "admissions",
    )
    known = tables["patients"].select(patient=pl.col("subject_id").str.strip_chars()).unique()
    patients = _collect(known, hosp / "patients")
    wrong = {
        "has no hadm_id": admissions.filter(pl.col("admission").is_null()),
        "stands twice": admissions.filter(pl.col("admission").is_duplicated()),
        "has no patient in the table patients": admissions.join(patients, on="patient", how="anti"),
        "has no admittime or dischtime": admissions.filter(
            pl.any_horizontal(pl.col("admitted", "discharged").is_null())
        ),
    }
    for what, rows in wrong.items():
        if len(rows):
            first = rows["admission"].sort()[0]
            raise UserError(f"{hosp}: admission {first} {what}, {len(rows)} rows in all: mend the table admissions.")
    return admissions


def _coded(table: pl.LazyFrame, name: str, hosp: Path) -> pl.LazyFrame:
    """hadm_id and item of a table of ICD codes."""
    version = pl.col("icd_version").str.strip_chars()
    wrong = _collect(table.filter(version.is_in(VERSIONS).not_() | version.is_null()).head(1), hosp / name)
    if len(wrong):
        raise UserError(f"{hosp / name}: icd_version {wrong['icd_version'][0]} is neither 9 nor 10: mend the table.")
    groups = IcdGroups.load()
    group = groups.diagnosis if name == "diagnoses_icd" else groups.procedure
    return table.select("hadm_id", item=group(pl.col("icd_code"), version))


def _medications(table: pl.LazyFrame, hosp: Path) -> pl.LazyFrame:
    """hadm_id and item of a table of prescriptions; what a drug is dissolved in (BASE, ADDITIVE) is left out."""
    if "drug_type" in table.collect_schema().names():
        table = table.filter(pl.col("drug_type").fill_null("MAIN") == "MAIN")
    normalise = DrugNames.load().normalise
    names = _collect(table.select("drug").drop_nulls().unique(), hosp / "prescriptions")["drug"].to_list()
    item_of = {name: f"drug:{normalised}" for name in names if (normalised := normalise(name))}
    return table.select("hadm_id", item=pl.col("drug").replace_strict(item_of, default=None, return_dtype=pl.String))


def _time(column: str) -> pl.Expr:
    return pl.col(column).str.replace("T", " ").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)


def _collect(frame: pl.LazyFrame, table: Path) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except (PolarsError, OSError) as error:
        told = str(error).splitlines()[0]
        raise UserError(f"Table {table} cannot be read as CSV in UTF-8 ({told}): mend it.") from None


def diagnosis_titles(hosp: Path) -> dict[str, str]:
    """Titles of ICD categories that are in no group, from the optional `d_icd_diagnoses`: of the shortest code."""
    if _find(hosp, "d_icd_diagnoses") is None:
        return {}
    table = _table(hosp, "d_icd_diagnoses", ("icd_code", "icd_version", "long_title"))
    code = pl.col("icd_code").str.strip_chars()
    item = IcdGroups.load().diagnosis(code, pl.col("icd_version").str.strip_chars())
    rows = table.select(item=item, code=code, title=pl.col("long_title"))
    ordered = rows.filter(pl.col("item").str.starts_with("icd")).sort("item", pl.col("code").str.len_chars(), "code")
    first = _collect(ordered.group_by("item", maintain_order=True).first(), hosp / "d_icd_diagnoses")
    return dict(zip(first["item"], first["title"], strict=True))


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
