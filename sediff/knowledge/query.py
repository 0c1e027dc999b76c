"""Free text to an experience at generation time: what the text names, matched exactly and by meaning."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.errors import UserError
from sediff.files import sha256_json
from sediff.knowledge.distill import confidences, distil_offline
from sediff.knowledge.experience import Experience, experience_rows
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.params import KnowledgeParams, SimilarityWeights
from sediff.knowledge.profiles import PROFILES, TERMS, VIEWS, statement_views, training_profiles
from sediff.knowledge.retrieval import Neighbours, Retriever
from sediff.knowledge.statistics import summarise
from sediff.knowledge.table import experience_table
from sediff.phrases import Phrases, stem, tokenise
from sediff.vocabulary import Vocabulary

MEANING_SHARE = 0.2  # what the cosine of two texts counts beside an exact similarity
MIN_COSINE = 0.2  # hashed vectors of unrelated texts come near this
BY_MEANING = 200  # nearest texts that are looked at


class Store:
    """The stage's out, ready to be asked."""

    def __init__(self, knowledge: Path) -> None:
        self.training = training_profiles(pl.read_parquet(knowledge / PROFILES))
        self.retriever = Retriever(self.training)
        terms = pl.read_parquet(knowledge / TERMS).filter(~pl.col("item").str.starts_with("scp:"))
        self.view_of = dict(zip(terms["item"], terms["view"], strict=True))
        self._items: dict[str, list[str]] = {}  # a name may stand for several items: a category of ICD-9 and of ICD-10
        for item, names in zip(terms["item"], terms["names"], strict=True):
            for name in names:
                self._items.setdefault(" ".join(map(stem, tokenise(name))), []).append(item)
        self._phrases = Phrases({name: [name] for name in self._items}, str)

    def terms_in(self, text: str) -> dict[str, list[str]]:
        """Drugs and diagnoses that a text names, by view, as items of the profiles."""
        found = self._phrases.all_in([stem(token) for token in tokenise(text)])
        items = {item for name in found for item in self._items[name]}
        return {view: sorted(item for item in items if self.view_of[item] == view) for view in VIEWS}


def experience_for_text(
    text: str,
    vocabulary: Vocabulary,
    knowledge: Path,
    index: KnowledgeIndex | None = None,
    k: int = KnowledgeParams().neighbours,
    age: float | None = None,
    sex: str | None = None,
    weights: SimilarityWeights | None = None,
) -> Experience | None:
    """What similar training patients teach about a text; None where nothing similar is known.

    The text's statements (present or uncertain), drugs and diagnoses make a profile. It is compared by τ over the
    views that it has, whose weights are scaled to a sum of 1; records with a statement that the text rules out are
    left out. With an index, the score is max(τ, 0.2 cosine of the texts): what matches exactly comes first, and what is
    near by meaning fills up. Ties as in `Retriever.nearest`.

    Raises:
        UserError: the stage's out is missing.
    """
    store = _store(knowledge)
    query = _profile(text, vocabulary, store, age, sex)
    own = (weights or SimilarityWeights()).over([view for view in VIEWS if len(query[view][0])])
    similarities = store.retriever.similarities(query, own)
    if index is not None:
        similarities = np.maximum(similarities, MEANING_SHARE * _by_meaning(text, index, store.training))
    similarities[:, _ruled_out(text, vocabulary, store.training)] = 0
    chosen = store.retriever.top(query, similarities, k)[0]
    if not len(chosen):
        return None
    neighbours = Neighbours(chosen[None], similarities[:, chosen])
    named = query["statements"].to_list()
    statistics = summarise(neighbours, named, store.training, vocabulary.codes)
    distilled = distil_offline(statistics, confidences(neighbours, statistics, query, own), named, vocabulary)
    asked = {"text": text, "age": age, "sex": sex, "neighbours": store.training["record_id"][chosen.tolist()].to_list()}
    name = f"query:{sha256_json(asked)[:16]}"
    return experience_rows(experience_table([name], [""], distilled, neighbours, statistics, store.training))[0]


def _store(knowledge: Path) -> Store:
    path = knowledge / PROFILES
    if not path.is_file():
        raise UserError(f"{path} is missing: run the knowledge stage first.")
    return _opened(knowledge, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(knowledge: Path, modified: int) -> Store:
    return Store(knowledge)


def _profile(text: str, vocabulary: Vocabulary, store: Store, age: float | None, sex: str | None) -> pl.DataFrame:
    codes = [finding.code for finding in vocabulary.find(text) if finding.certainty != "absent"]
    statements, terms = statement_views(codes, vocabulary), store.terms_in(text)
    columns = {view: [sorted({*statements[view], *terms[view]})] for view in VIEWS}
    columns["statements"] = [sorted(set(codes))]
    schema = {name: pl.List(pl.String) for name in columns}
    about = pl.DataFrame({"patient_id": [""], "age": [age], "sex": [sex]}, schema_overrides={"age": pl.Float64})
    return pl.DataFrame(columns, schema=schema).hstack(about)


def _by_meaning(text: str, index: KnowledgeIndex, training: pl.DataFrame) -> NDArray[np.float64]:
    row_of = {record_id: row for row, record_id in enumerate(training["record_id"])}
    similarities = np.zeros((1, len(training)))
    for record_id, similarity in index.nearest(text, BY_MEANING):
        if record_id in row_of and similarity >= MIN_COSINE:
            similarities[0, row_of[record_id]] = similarity
    return similarities


def _ruled_out(text: str, vocabulary: Vocabulary, training: pl.DataFrame) -> NDArray[np.bool_]:
    absent: Sequence[str] = [finding.code for finding in vocabulary.find(text) if finding.certainty == "absent"]
    return training["statements"].list.set_intersection(list(absent)).list.len().to_numpy() > 0
