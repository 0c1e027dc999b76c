"""The index of experience texts in Chroma: a cache of the stage's out, rebuilt when that has changed.

Chroma's files differ between two identical builds, so the index is no out of any stage.
"""

import inspect
from pathlib import Path
from typing import Self

import chromadb
import httpx
import polars as pl
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError

from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.knowledge.embedding import HashedSubwords, embed
from sediff.knowledge.experience import FILE
from sediff.knowledge.profiles import PROFILES
from sediff.records import read_table

COLLECTION = "experience"
BATCH = 5000  # Chroma takes at most 5,461 rows at once


class KnowledgeIndex:
    """Experiences of training records, by the meaning of their texts."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @classmethod
    def open(cls, knowledge: Path, chroma: Path, host: str = "", port: int = 8000) -> Self:
        """Open the index of the stage's out `knowledge`, and build it first where it is missing or of another out.

        Args:
            chroma: folder of the embedded database; not used with a host.
            host, port: of a Chroma server (`chroma run`).

        Raises:
            UserError: the stage's out is missing, or the database cannot be opened.
        """
        missing = next((name for name in (FILE, PROFILES) if not (knowledge / name).is_file()), None)
        if missing:
            raise UserError(f"{knowledge / missing} is missing: run the knowledge stage first.")
        try:
            return cls(_current(_client(chroma, host, port), knowledge))
        except (ChromaError, httpx.HTTPError, OSError, ValueError) as error:
            place = f"Chroma at {host}:{port}" if host else f"the Chroma database in {chroma}"
            mend = "start it with `chroma run`" if host else "remove that folder, it is only a cache"
            raise UserError(f"{place} cannot be used ({type(error).__name__}): {mend}.") from None

    def __len__(self) -> int:
        return self._collection.count()

    def nearest(self, text: str, k: int) -> list[tuple[str, float]]:
        """Records whose experience texts are nearest to a text, with the cosine (-1 to 1); equal ones by id."""
        wanted = min(k, len(self))
        if not wanted:
            return []
        try:
            found = self._collection.query(
                query_embeddings=list(embed([text])), n_results=wanted, include=["distances"]
            )
        except (ChromaError, httpx.HTTPError) as error:
            raise UserError(f"Chroma could not be asked ({error}): remove its folder, it is only a cache.") from None
        distances = (found["distances"] or [[]])[0]
        pairs = [(record, 1.0 - float(distance)) for record, distance in zip(found["ids"][0], distances, strict=True)]
        return sorted(pairs, key=lambda pair: (-round(pair[1], 6), pair[0]))


def refresh_index(knowledge: Path, chroma: Path, host: str = "", port: int = 8000) -> str:
    """Bring the index up to date and say in one line what it holds; see `KnowledgeIndex.open`."""
    return f"index of {len(KnowledgeIndex.open(knowledge, chroma, host, port))} training experiences in Chroma"


def _client(chroma: Path, host: str, port: int) -> ClientAPI:
    settings = Settings(anonymized_telemetry=False)
    if host:
        return chromadb.HttpClient(host=host, port=port, settings=settings)
    chroma.mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(path=str(chroma), settings=settings)


def _current(client: ClientAPI, knowledge: Path) -> Collection:
    """The collection of this out and embedding; its hash is written last, so a half-built one is never trusted."""
    parts = (knowledge / FILE, knowledge / PROFILES, Path(inspect.getfile(embed)))
    wanted = sha256_json([sha256_file(path) for path in parts])
    try:
        collection = client.get_collection(COLLECTION, embedding_function=HashedSubwords())
        if (collection.metadata or {}).get("hash") == wanted:
            return collection
        client.delete_collection(COLLECTION)
    except NotFoundError:
        pass
    collection = client.create_collection(
        COLLECTION, configuration={"hnsw": {"space": "cosine"}}, embedding_function=HashedSubwords()
    )
    profiles = read_table(knowledge / PROFILES, ["record_id", "split"])
    training = profiles.filter(pl.col("split") == "train").select("record_id")
    rows = read_table(knowledge / FILE, ["record_id", "text"]).join(training, on="record_id", how="semi")
    for batch in rows.sort("record_id").iter_slices(BATCH):
        texts = batch["text"].to_list()
        collection.upsert(ids=batch["record_id"].to_list(), embeddings=list(embed(texts)), documents=texts)
    collection.modify(metadata={"hash": wanted})
    return collection
