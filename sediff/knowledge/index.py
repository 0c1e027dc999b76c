"""The index of profiles by meaning, in Chroma: a cache of the stage's out, rebuilt when that has changed.

Chroma's files differ between two identical builds and change when read, so the index is no out of any stage. It holds
the vector of each distinct profile text under the text's hash, and nothing else. A collection is named by what it
holds, so two builds at once write the same rows; its hash is written last, and a collection without it is not trusted.
A build that was cut short goes on where it stopped at a server. An embedded one begins again, as does one whose files
are not as they were left: a kill may have left half of them.
"""

import fcntl
import inspect
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TextIO, TypeVar
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import chromadb
import httpx
from chromadb.api import ClientAPI
from chromadb.api.collection_configuration import CreateHNSWConfiguration
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError

from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.knowledge.embedding import HashedSubwords, embed
from sediff.knowledge.index_files import IndexFiles
from sediff.knowledge.store import open_store
from sediff.progress import log_line, track

BATCH = 5000  # rows; Chroma takes at most 5,461 at once
PAGE = 10_000  # ids; a get() of all fails over 60,000
CANDIDATES = 200  # nearest rows that are looked at; the approximate search misses near ones where it is asked for fewer
# Of 3,000 profiles of PTB-XL the 200 nearest are found to 99.98 % or more; one row in 300 may be out of reach.
HNSW: CreateHNSWConfiguration = {"space": "cosine", "ef_search": 500, "ef_construction": 200, "max_neighbors": 32}
PATIENCE = 10.0  # s, until a server that does not answer is given up
# s for another process, which may be building: of a build, and of a question, which somebody waits for. 50,000 profiles
# take about a minute.
BUILD_WAITS, QUESTION_WAITS, BETWEEN = 1800.0, 60.0, 0.2
FAULTS = (ChromaError, httpx.HTTPError, OSError, ValueError, KeyError, sqlite3.Error)
Result = TypeVar("Result")


class KnowledgeIndex:
    """Texts of training profiles by their meaning."""

    def __init__(self, collection: Collection, size: int, folder: Path, address: str) -> None:
        self._collection, self._size, self._folder, self._address = collection, size, folder, address

    @classmethod
    def open(cls, knowledge: Path, folder: Path, address: str = "", wait: float = BUILD_WAITS) -> Self:
        """Open the index of the stage's out `knowledge`, and build it first where it is missing or of another out.

        Args:
            folder: of the embedded database; with an address it holds only a lock and a note.
            address: of a Chroma server (`chroma run`), such as "http://127.0.0.1:8000"; "": embedded.
            wait: s, for another process that has the index.

        Raises:
            UserError: the stage's out is missing, the database cannot be used, or another process keeps it.
        """
        texts = open_store(knowledge).distinct_texts
        collection = _tried(lambda: _current(texts, folder, address, wait), folder, address)
        return cls(collection, len(texts), folder, address)

    def __len__(self) -> int:
        return self._size

    def nearest(self, text: str, k: int) -> list[tuple[str, float]]:
        """Ids of the profile texts nearest to a text, with the cosine (-1 to 1); equal ones by id.

        Raises:
            UserError: the database cannot be asked, or has lost rows.
        """
        wanted = min(max(k, CANDIDATES), len(self))
        pairs = _tried(lambda: self._query(text, wanted), self._folder, self._address)
        return sorted(pairs, key=lambda pair: (-round(pair[1], 6), pair[0]))[:k]

    def _query(self, text: str, wanted: int) -> list[tuple[str, float]]:
        found = self._collection.query(query_embeddings=list(embed([text])), n_results=wanted, include=["distances"])
        distances = (found["distances"] or [[]])[0]
        if len(distances) < wanted:
            raise ValueError(f"it gives {len(distances)} of {wanted} rows")
        return [(name, 1.0 - float(distance)) for name, distance in zip(found["ids"][0], distances, strict=True)]


def refresh_index(knowledge: Path, folder: Path, address: str = "") -> str:
    """Bring the index up to date and say in one line what it holds; see `KnowledgeIndex.open`."""
    index = KnowledgeIndex.open(knowledge, folder, address)
    return f"index of {len(index)} distinct training profiles in Chroma"


def _tried(open_index: Callable[[], Result], folder: Path, address: str) -> Result:
    """The result, or one sentence for whatever is wrong with the database."""
    try:
        return open_index()
    except FAULTS as error:
        reason = _told(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what Chroma's Rust core raises on a damaged folder
            raise
        reason = _told(error)
    if address:
        raise UserError(f"Chroma at {address} cannot be used ({reason}): start one there with `chroma run`.")
    if reason.startswith(PermissionError.__name__):
        raise UserError(f"The Chroma database in {folder} cannot be opened ({reason}): make its folder writable.")
    raise UserError(f"The Chroma database in {folder} cannot be used ({reason}): remove it, it is only a cache.")


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _client(folder: Path, address: str) -> ClientAPI:
    settings = Settings(anonymized_telemetry=False)
    if not address:
        return chromadb.PersistentClient(path=str(folder.resolve()), settings=settings)
    local, parts = Endpoint(address, "").on_loopback, urlsplit(address)
    if local:
        _refuse_proxy(parts)
    # Chroma's own client waits for ever
    httpx.get(f"{address}/api/v2/heartbeat", timeout=PATIENCE, trust_env=not local).raise_for_status()
    ssl = parts.scheme == "https"
    port = parts.port or (443 if ssl else 80)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host  # Chroma's own client puts it into an address as it is
    return chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=settings)


def _refuse_proxy(parts: SplitResult) -> None:
    """Refuse where Chroma's own client, which goes by the environment, would reach this machine through a proxy.

    Raises:
        UserError: a proxy is set, and NO_PROXY does not have the host.
    """
    host = parts.hostname or ""
    if {parts.scheme, "all"} & set(getproxies()) and not proxy_bypass(host):
        raise UserError(
            f"Chroma at {host} is on this machine and would be reached through a proxy: add {host} to NO_PROXY."
        )


@contextmanager
def _alone(folder: Path, wait: float) -> Iterator[None]:
    """Hold the folder's lock: an embedded database takes one writer, and whoever waited finds the index built.

    Raises:
        UserError: another process does not give it back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as stream:
        if not _locks(stream):
            _wait(stream, folder, wait)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _locks(stream: TextIO) -> bool:
    """Whether the lock is free, and taken now; a process that ends, however, gives it back."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(stream: TextIO, folder: Path, seconds: float) -> None:
    stream.seek(0)
    holder = f"process {number}" if (number := stream.read()) else "another process"
    minutes = f"{seconds / 60:.3g} min"
    told = f"waiting, for {minutes} at most, for {holder}, which has the index in {folder} and may be building it"
    log_line(f"knowledge: {told}")
    deadline = time.monotonic() + seconds
    while not _locks(stream):
        if time.monotonic() > deadline:
            raise UserError(
                f"The index in {folder} was not given back by {holder} in {minutes}: wait until that has ended, or end "
                "it, and run again."
            )
        time.sleep(BETWEEN)


def _current(texts: dict[str, str], folder: Path, address: str, wait: float) -> Collection:
    wanted = sha256_json([sha256_file(Path(inspect.getfile(embed))), list(texts)])
    with _alone(folder, wait):
        if address:
            return _filled(_client(folder, address), wanted, texts, folder / "built")
        files = IndexFiles(folder)
        if not files.are_whole(wanted):
            files.remove()
        collection = _filled(_client(folder, address), wanted, texts)
        files.note(wanted)
        return collection


def _filled(client: ClientAPI, wanted: str, texts: dict[str, str], note: Path | None = None) -> Collection:
    """The collection of this hash, which gets what it has not yet; at a server `note` names the one before it."""
    name = f"experience-{wanted[:16]}"
    try:
        collection = client.get_collection(name, embedding_function=HashedSubwords())
        if (collection.metadata or {}).get("hash") == wanted:
            return collection
    except NotFoundError:
        collection = client.create_collection(
            name,
            configuration={"hnsw": HNSW},
            embedding_function=HashedSubwords(),
            get_or_create=True,
        )
    if note:
        _forget(client, note, name)
    _fill(collection, texts, min(BATCH, client.get_max_batch_size()))
    collection.modify(metadata={"hash": wanted})
    return collection


def _forget(client: ClientAPI, note: Path, name: str) -> None:
    """Delete the collection that this folder had built at a server before; others there may be of somebody else."""
    before = note.read_text(encoding="utf-8", errors="replace") if note.is_file() else ""
    if before.startswith("experience-") and before != name:
        with suppress(NotFoundError):
            client.delete_collection(before)
    note.write_text(name, encoding="utf-8")


def _fill(collection: Collection, texts: dict[str, str], size: int) -> None:
    """Add what an earlier build, cut short, has not added yet."""
    known = set(_ids(collection))
    missing = [name for name in texts if name not in known]
    starts = range(0, len(missing), size)
    for start in track(starts, len(starts), "knowledge: index, batches"):
        names = missing[start : start + size]
        collection.upsert(ids=names, embeddings=list(embed([texts[name] for name in names])))


def _ids(collection: Collection) -> Iterator[str]:
    """All ids, page by page."""
    for offset in range(0, collection.count(), PAGE):
        yield from collection.get(include=[], limit=PAGE, offset=offset)["ids"]
