"""Tri-view profiles, one a corpus record: diagnoses, medications and procedures of its patient at that time.

A record linked to an EHR has the codes and drugs of the admission it was taken in. Every record has its coded
ECG statements as well, so a corpus without an EHR can be compared too: `VIEW_OF_KIND` says which view they enter, and
is the only place that does.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sediff.errors import UserError
from sediff.knowledge.ehr import FOLDER, diagnosis_titles, read_admissions
from sediff.knowledge.measures import MORPHOLOGY, SCALARS, SIZES, VOLTAGES
from sediff.knowledge.terms import DrugNames, diagnosis_names
from sediff.vocabulary import Kind, Vocabulary

if TYPE_CHECKING:
    from sediff.sources import Source

VIEWS = ("diagnoses", "medications", "procedures")
VIEW_OF_KIND: Mapping[Kind, str] = {"diagnostic": "diagnoses", "form": "medications", "rhythm": "procedures"}
CODED = "scp:"  # what an item that is a statement begins with
OLDEST_BAND = 90  # years
BEFORE = timedelta(hours=24)  # an ECG so long before a stay belongs to it
FITS = pl.Schema({"record_id": pl.String(), **{name: pl.Array(pl.Float32(), SIZES[name]) for name in MORPHOLOGY}})
PROFILES, TERMS = "profiles.parquet", "terms.parquet"
SCHEMA_VERSION = 1  # of both


def statement_views(codes: Iterable[str], vocabulary: Vocabulary) -> dict[str, list[str]]:
    """View to items ("scp:AFIB") of coded statements, as `VIEW_OF_KIND` maps them."""
    kinds = vocabulary.views(codes)
    return {view: [f"{CODED}{code}" for code in kinds[kind]] for kind, view in VIEW_OF_KIND.items()}


def age_band(age: float | None) -> str | None:
    """An age as a band of ten years, the oldest "90 or over"; None where unknown."""
    if age is None or math.isnan(age):
        return None
    decade = int(age // 10) * 10
    return f"{OLDEST_BAND} or over" if decade >= OLDEST_BAND else f"{decade} to {decade + 9}"


def view_titles(items: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """What each view holds, by its items: "medications" of an EHR, "form statements", or both."""
    titles = {}
    for kind, view in VIEW_OF_KIND.items():
        coded = {item.startswith(CODED) for item in items[view]}
        parts = [view] if False in coded or not coded else []
        titles[view] = " and ".join([*parts, f"{kind} statements"] if True in coded else parts)
    return titles


def read_fits(simulator: Path) -> pl.DataFrame:
    """The simulator's morphology of each record that it was fitted to: `FITS`, at 60 bpm.

    Raises:
        UserError: the simulator stage's out is not there.
    """
    path = simulator / "records.parquet"
    if not path.is_file():
        raise UserError(f"{path} is missing: run the simulator stage first.")
    return pl.read_parquet(path, columns=list(FITS)).cast(FITS)


def build_profiles(
    records: pl.DataFrame, sources: Sequence["Source"], vocabulary: Vocabulary, fits: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Profiles of corpus records, in their order.

    Args:
        records: the corpus without its signals.
        sources: those whose root has a `hosp/` folder are linked to it.
        fits: as `read_fits` gives them; a record without one has no morphology.

    Returns:
        profile_id, record_id, patient_id, split, admission ("" where the record is linked to none), the three
        views (sorted items), statements, age, sex, and what was measured and fitted, as `measures.SIZES` names it.

    Raises:
        UserError: an EHR table cannot be read.
    """
    linked = _linked(records, sources)
    views = [statement_views(codes, vocabulary) for codes in records["statements"]]
    profiles = records.select(
        pl.concat_str(pl.lit("profile:"), pl.col("record_id")).alias("profile_id"),
        "record_id",
        "patient_id",
        "split",
        linked["admission"],
        *(_joined(linked[view], [row[view] for row in views]) for view in VIEWS),
        "statements",
        "age",
        "sex",
        *SCALARS,
        *VOLTAGES,
    )
    return profiles.join(FITS.to_frame() if fits is None else fits, on="record_id", how="left", maintain_order="left")


def _joined(coded: pl.Series, statements: list[list[str]]) -> pl.Series:
    items = [sorted({*ehr, *scp}) for ehr, scp in zip(coded.to_list(), statements, strict=True)]
    return pl.Series(coded.name, items, dtype=pl.List(pl.String))


def _linked(records: pl.DataFrame, sources: Sequence["Source"]) -> pl.DataFrame:
    """The admission that each record was taken in and its items; "" and empty lists where there is none."""
    empty = {"admission": pl.String(), **{view: pl.List(pl.String) for view in VIEWS}}
    keys = records.select(
        "record_id",
        "source",
        patient=pl.col("patient_id").str.split("/").list.last().str.strip_chars_start("0"),
        time=pl.col("recorded_at").str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False),
    )
    found = [pl.DataFrame(schema={"record_id": pl.String, **empty})]
    for source in sources:
        hosp = source.root / FOLDER
        if hosp.is_dir():
            admissions = read_admissions(hosp).with_columns(pl.col("patient").str.strip_chars_start("0"))
            links = link(keys.filter(pl.col("source") == source.name), admissions)
            found.append(links.join(admissions.select(*empty), on="admission").select("record_id", *empty))
    joined = keys.select("record_id").join(pl.concat(found), on="record_id", how="left", maintain_order="left")
    no_items = pl.lit([], dtype=pl.List(pl.String))
    return joined.with_columns(pl.col("admission").fill_null(""), *(pl.col(view).fill_null(no_items) for view in VIEWS))


def ungrouped(profiles: pl.DataFrame) -> int:
    """How many ICD codes of all profiles are in no group and stand under their own category."""
    views = (profiles[view].list.eval(pl.element().str.starts_with("icd")).list.sum() for view in VIEWS)
    return sum(int(counts.sum()) for counts in views)


def link(records: pl.DataFrame, admissions: pl.DataFrame) -> pl.DataFrame:
    """Records (record_id, patient, time) to their patients' admissions: record_id, admission, of those that have one.

    A record belongs to the last stay begun before it, if that has not ended; failing that to the stay that begins
    within 24 hours after it, for an ECG in the emergency room or the clinic often is why somebody is admitted. Other
    outpatient records belong to none: what an earlier stay coded may no longer be so.
    """
    stays = admissions.select("patient", "admitted", "discharged", "admission").sort("admitted", "admission")
    timed = records.select("record_id", "patient", "time").drop_nulls().sort("time", "record_id")
    join = partial(pl.DataFrame.join_asof, left_on="time", right_on="admitted", by="patient", check_sortedness=False)
    during = join(timed, stays, strategy="backward").filter(pl.col("time") <= pl.col("discharged"))
    rest = timed.join(during, on="record_id", how="anti", maintain_order="left")
    before = join(rest, stays, strategy="forward", tolerance=BEFORE).drop_nulls("admission")
    return pl.concat([part.select("record_id", "admission") for part in (during, before)])


def build_terms(profiles: pl.DataFrame, sources: Sequence["Source"], vocabulary: Vocabulary) -> pl.DataFrame:
    """The store's own vocabulary: view, item, title, names by which a text may call it, count of training profiles."""
    titles = {item: [title] for source in sources for item, title in diagnosis_titles(source.root / FOLDER).items()}
    known = {**titles, **diagnosis_names(), **drug_names()}
    training = profiles.filter(pl.col("split") == "train")
    tables = []
    for view in VIEWS:
        counts = training[view].explode(empty_as_null=False).drop_nulls().rename("item").value_counts(name="count")
        names = [_names(item, known, vocabulary) for item in counts["item"]]
        tables.append(
            counts.select(
                pl.lit(view).alias("view"),
                "item",
                pl.Series("title", [name[0] for name in names], dtype=pl.String),
                pl.Series("names", names, dtype=pl.List(pl.String)),
                pl.col("count").cast(pl.Int64),
            )
        )
    return pl.concat(tables).sort("view", "item")


def drug_names() -> dict[str, list[str]]:
    """Items of the drugs that have brands or other names, and all those names."""
    others: dict[str, list[str]] = {}
    for other, drug in sorted(DrugNames.load().brands.items()):
        others.setdefault(f"drug:{drug}", [drug]).append(other)
    return others


def _names(item: str, known: Mapping[str, list[str]], vocabulary: Vocabulary) -> list[str]:
    if item.startswith(CODED):
        return [vocabulary[item.removeprefix(CODED)].name]
    return known.get(item) or [item.partition(":")[2]]


def training_profiles(profiles: pl.DataFrame) -> pl.DataFrame:
    """The profiles that may be retrieved: training patients only, sorted by profile_id.

    Raises:
        UserError: there is none.
    """
    training = profiles.filter(pl.col("split") == "train").sort("profile_id")
    if not len(training):
        raise UserError("corpus has no training record to learn from: check corpus.folds.")
    return training
