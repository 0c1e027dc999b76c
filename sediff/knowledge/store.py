"""The stage's out, ready to be asked: training profiles, their names and texts, and what they were made with."""

import hashlib
from functools import lru_cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, Field, ValidationError

from sediff.errors import UserError
from sediff.files import damaged, read_out
from sediff.knowledge.free_text import Terms
from sediff.knowledge.measures import SIZES
from sediff.knowledge.params import KnowledgeParams, SimilarityWeights
from sediff.knowledge.profiles import PROFILES, SCHEMA_VERSION, TERMS, VIEWS, drug_names, training_profiles, view_titles
from sediff.knowledge.retrieval import Retriever
from sediff.knowledge.statistics import measurements
from sediff.knowledge.terms import diagnosis_names, ecg_diagnoses, read_broader
from sediff.records import read_table, require_version
from sediff.sources import Sharing
from sediff.vocabulary.implications import read_implications

MANIFEST = "manifest.json"


class UsedSource(BaseModel):
    """A source that the stage read."""

    name: str
    sharing: Sharing


class UsedSearch(BaseModel):
    """λ, k and the cut that the stage was run with."""

    weights: SimilarityWeights = SimilarityWeights()
    neighbours: int = Field(default=KnowledgeParams().neighbours, ge=1, strict=True)
    closeness: float = KnowledgeParams().closeness


class UsedParameters(BaseModel):
    """Those of the stage's parameters that count for whoever asks the store."""

    sources: tuple[UsedSource, ...] = Field(default=(), alias="corpus.sources")
    knowledge: UsedSearch = UsedSearch()


class Manifest(BaseModel):
    """What the stage's out says of itself, as far as it is needed here; as it is where there is no manifest."""

    fingerprint: str = ""
    parameters: UsedParameters = UsedParameters()


def read_manifest(knowledge: Path) -> Manifest:
    """What the stage's out says of itself.

    Raises:
        UserError: it is missing or damaged, or does not say which sources were read and by which stage.
    """
    value = read_out(knowledge / MANIFEST)
    try:
        manifest = Manifest.model_validate(value)
    except ValidationError:
        raise damaged(knowledge / MANIFEST) from None
    if not manifest.fingerprint or "sources" not in manifest.parameters.model_fields_set:
        raise damaged(knowledge / MANIFEST)
    return manifest


class Store:
    """Training profiles to compare with.

    Attributes:
        training: sorted by profile_id, without what `measured` has; heart_rate is in both.
        measured: `measurements` of the training profiles.
        texts: what each training profile is, in words: the titles of its items.
        views: what each view holds in this corpus, as `view_titles` says.
        statements: codes that training records have.
        kinds: what a text may name broadly, as `read_broader` has it, and those of its kinds that some of them have.
        implications: of statements, as `read_implications` gives them.
        fingerprint: of the stage that made the store; "" where it was made outside the pipeline.
        weights, neighbours, closeness: λ, k and the cut that the stage was run with.
    """

    def __init__(self, knowledge: Path) -> None:
        for name in (PROFILES, TERMS):
            require_version(knowledge / name, SCHEMA_VERSION, "knowledge")
        training = training_profiles(read_table(knowledge / PROFILES))
        self.measured = measurements(training)
        self.training = training.drop(set(SIZES) - {"heart_rate"}, strict=False)
        self.statements = frozenset(self.training["statements"].explode().drop_nulls())
        there = {name: tuple(code for code in of if code in self.statements) for name, of in read_broader().items()}
        self.kinds = {name: of for name, of in there.items() if of}
        self.implications = read_implications()
        self.retriever = Retriever(self.training)
        terms = read_table(knowledge / TERMS)
        curated = {"diagnoses": diagnosis_names(), "medications": drug_names()}
        self.terms = Terms(terms, curated, ecg_diagnoses())
        self.texts = profile_texts(self.training, terms)
        held = terms.group_by("view").agg("item").rows_by_key("view", unique=True)
        self.views = view_titles({view: held[view][0] if view in held else () for view in VIEWS})
        self._rows: dict[str, list[int]] = {}
        for row, text in enumerate(self.texts):
            self._rows.setdefault(text_id(text), []).append(row)
        manifest = read_manifest(knowledge) if (knowledge / MANIFEST).is_file() else Manifest()
        self.fingerprint = manifest.fingerprint
        self.weights = manifest.parameters.knowledge.weights
        self.neighbours = manifest.parameters.knowledge.neighbours
        self.closeness = manifest.parameters.knowledge.closeness

    @property
    def distinct_texts(self) -> dict[str, str]:
        """Texts by their ids, sorted, each once: many patients have the same profile."""
        return dict(sorted({text_id(text): text for text in self.texts}.items()))

    def rows(self, text: str) -> list[int]:
        """Rows of the training profiles whose text has this id."""
        return self._rows.get(text, [])


def open_store(knowledge: Path) -> Store:
    """The store of a knowledge stage's out, read once a process.

    Raises:
        UserError: the out is missing.
    """
    missing = next((name for name in (PROFILES, TERMS) if not (knowledge / name).is_file()), None)
    if missing:
        raise UserError(f"{knowledge / missing} is missing: run the knowledge stage first.")
    return _opened(knowledge.resolve(), (knowledge / PROFILES).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(knowledge: Path, modified: int) -> Store:
    return Store(knowledge)


def profile_texts(profiles: pl.DataFrame, terms: pl.DataFrame) -> list[str]:
    """Each profile as the titles of its items, in the order of views and items; codes without a title are left out."""
    code = (pl.col("title") == pl.col("item").str.split(":").list.last()) & pl.col("title").str.contains(r"\d")
    titles = terms.filter(~code).select("view", "item", "title")
    rows = profiles.select(pl.int_range(pl.len()).alias("row"), *VIEWS)
    long = pl.concat(
        rows.select(
            "row", pl.lit(number).alias("number"), pl.lit(view).alias("view"), pl.col(view).alias("item")
        ).explode("item", empty_as_null=False)
        for number, view in enumerate(VIEWS)
    )
    named = long.join(titles, on=["view", "item"]).sort("row", "number", "item")
    joined = named.group_by("row", maintain_order=True).agg(pl.col("title").unique(maintain_order=True).str.join(", "))
    return rows.select("row").join(joined, on="row", how="left", maintain_order="left")["title"].fill_null("").to_list()


def text_id(text: str) -> str:
    """A name of a text: its SHA-256, cut short.

    It does not hide the text. The hash has no key and a text is a short combination of known titles, so all likely ones
    can be tried out. Texts of a restricted source therefore go to a Chroma on loopback or an allow-listed one only.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:32]
