"""The index against real Chroma: embedded, served, cut short, shared, damaged."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from threading import Timer

import polars as pl
import pytest
from chromadb.api.models.Collection import Collection
from chromadb.api.shared_system_client import SharedSystemClient

from sediff.errors import UserError
from sediff.files import sha256_json
from sediff.knowledge import index as module
from sediff.knowledge.index import KnowledgeIndex, refresh_index
from sediff.knowledge.profiles import PROFILES, TERMS, VIEWS
from sediff.knowledge.store import open_store, text_id

SIZE = 300
LETTERS = str.maketrans("0123456789", "abcdefghij")  # numbers say nothing to the embedding
BUILD = """
import sys
from pathlib import Path
from sediff.knowledge import index

index.BATCH = 10

def told(items, total, label):
    for item in items:
        yield item
        print(item, flush=True)

index.track = told
print("rows", len(index.KnowledgeIndex.open(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])), flush=True)
"""


def write_store(folder: Path, size: int = SIZE) -> Path:
    """A store of as many training profiles, each of its own diagnosis, and as many again that have the same ones."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [f"dx:{number}" for number in range(size)]
    rows = [
        {
            "profile_id": f"profile:{copy}{number:05d}",
            "record_id": f"r/{copy}{number:05d}",
            "patient_id": f"r/{copy}{number:05d}",
            "split": "train",
            "diagnoses": [items[number]],
            "medications": [],
            "procedures": [],
            "age": 50.0,
            "sex": "male",
        }
        for copy in range(2)
        for number in range(size)
    ]
    lists = {view: pl.List(pl.String) for view in VIEWS}
    pl.DataFrame(rows, schema_overrides=lists).write_parquet(folder / PROFILES)
    titles = [f"disease {sha256_json(number).translate(LETTERS)[:12]}" for number in range(size)]
    terms = {"view": ["diagnoses"] * size, "item": items, "title": titles, "names": [[t] for t in titles]}
    pl.DataFrame({**terms, "count": [2] * size}).write_parquet(folder / TERMS)
    return folder


@pytest.fixture
def knowledge(tmp_path) -> Path:
    return write_store(tmp_path / "knowledge")


@pytest.fixture
def chroma(tmp_path) -> Path:
    return tmp_path / "chroma"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).parent / "chroma")
    folder = tmp_path_factory.mktemp("server")
    command = [program, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{address}/api/v2/heartbeat", timeout=1):
                    break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def start(knowledge: Path, chroma: Path, address: str = "") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", BUILD, str(knowledge), str(chroma), address]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def assert_whole(index: KnowledgeIndex, knowledge: Path) -> None:
    texts = open_store(knowledge).distinct_texts
    assert len(index) == index._collection.count() == len(texts)
    sample = list(texts)[::7]
    first = [index.nearest(texts[name], 3)[0] for name in sample]
    missed = [name for name, (found, cosine) in zip(sample, first, strict=True) if found != name or cosine < 1 - 1e-5]
    assert len(missed) <= 1, "the search is approximate: one in 300 is missed now and then"


def test_equal_profiles_are_one_row(knowledge, chroma):
    index = KnowledgeIndex.open(knowledge, chroma)
    assert_whole(index, knowledge)
    store = open_store(knowledge)
    (name, _), *_ = index.nearest(store.texts[0], 1)
    assert [store.texts[row] for row in store.rows(name)] == [store.texts[0]] * 2
    assert name == text_id(store.texts[0])


def test_whoever_waits_for_another_process_says_so(knowledge, chroma, capsys):
    KnowledgeIndex.open(knowledge, chroma)
    assert "waiting" not in capsys.readouterr().err
    with (chroma / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        release = Timer(0.5, lambda: fcntl.flock(stream, fcntl.LOCK_UN))
        release.start()
        assert len(KnowledgeIndex.open(knowledge, chroma)) == SIZE
        release.join()
    said = capsys.readouterr().err.splitlines()
    assert said == [f"knowledge: waiting for another process, which has the index in {chroma} and may be building it"]


def test_embedded_and_served_say_the_same(knowledge, chroma, server):
    one, other = KnowledgeIndex.open(knowledge, chroma), KnowledgeIndex.open(knowledge, chroma, server)
    assert_whole(other, knowledge)
    for text in ("disease", open_store(knowledge).texts[7], "nonsense"):
        first, second = one.nearest(text, 5), other.nearest(text, 5)
        assert [cosine for _, cosine in first] == pytest.approx([cosine for _, cosine in second], abs=1e-5)


@pytest.fixture
def proxy(monkeypatch):
    """A listener that is the proxy for everything; it answers nobody."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        yield listener


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_server_on_this_machine_is_not_reached_through_a_proxy(knowledge, chroma, server, proxy, name, monkeypatch):
    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
    SharedSystemClient.clear_system_cache()  # Chroma keeps clients that were made before the proxy was set
    with pytest.raises(UserError, match=r"would be reached through a proxy: add 127\.0\.0\.1 to NO_PROXY"):
        KnowledgeIndex.open(knowledge, chroma, server)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    SharedSystemClient.clear_system_cache()
    assert len(KnowledgeIndex.open(knowledge, chroma, server)) == SIZE
    with pytest.raises(TimeoutError):
        proxy.accept()


@pytest.mark.parametrize("where", ["embedded", "served"])
def test_a_build_that_is_killed_is_not_trusted_and_goes_on(knowledge, chroma, server, where, monkeypatch):
    address = server if where == "served" else ""
    write_store(knowledge, SIZE - 1 if address else SIZE)  # another collection than those of other tests
    process = start(knowledge, chroma, address)
    assert process.stdout
    for _ in range(6):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    client = module._client(chroma, address)
    before = client.get_collection((chroma / "built").read_text())
    assert 50 <= before.count() < SIZE - 1
    assert "hash" not in (before.metadata or {})
    kept, added = set(before.get(include=[])["ids"]), []
    upsert = Collection.upsert
    monkeypatch.setattr(Collection, "upsert", lambda self, ids, **rows: added.extend(ids) or upsert(self, ids, **rows))
    monkeypatch.setattr(module, "PAGE", 7)
    index = KnowledgeIndex.open(knowledge, chroma, address)
    assert added and not set(added) & kept, "what was there is not made again"
    assert_whole(index, knowledge)


def test_two_builds_at_once(knowledge, chroma):
    processes = [start(knowledge, chroma) for _ in range(2)]
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert out.splitlines()[-1] == f"rows {SIZE}"
    assert_whole(KnowledgeIndex.open(knowledge, chroma), knowledge)


@pytest.mark.parametrize("where", ["embedded", "served"])
def test_another_store_replaces_the_index_and_the_same_keeps_it(knowledge, chroma, server, where):
    address = server if where == "served" else ""
    KnowledgeIndex.open(knowledge, chroma, address)._collection.modify(metadata={"hash": "other"})
    client = module._client(chroma, address)
    assert refresh_index(knowledge, chroma, address) == f"index of {SIZE} distinct training profiles in Chroma"
    collection = client.get_collection((chroma / "built").read_text())
    assert collection.metadata["hash"] != "other"
    collection.modify(metadata={**collection.metadata, "mark": "kept"})
    assert KnowledgeIndex.open(knowledge, chroma, address)._collection.metadata["mark"] == "kept"
    write_store(knowledge, 20)
    os.utime(knowledge / PROFILES)
    assert len(KnowledgeIndex.open(knowledge, chroma, address)) == 20
    assert collection.name not in [c.name for c in client.list_collections()]


def test_others_on_a_server_are_left_alone(knowledge, tmp_path, server):
    other = write_store(tmp_path / "other", 10)
    KnowledgeIndex.open(other, tmp_path / "b", server)
    KnowledgeIndex.open(knowledge, tmp_path / "a", server)
    assert_whole(KnowledgeIndex.open(other, tmp_path / "b", server), other)


def test_what_cannot_be_used_is_one_sentence(knowledge, chroma):
    chroma.mkdir()
    (chroma / "chroma.sqlite3").write_text("this is no database " * 100)
    with pytest.raises(UserError, match="remove it, it is only a cache"):
        KnowledgeIndex.open(knowledge, chroma)
    with pytest.raises(UserError, match=r"Chroma at http://127.0.0.1:9 cannot be used .*: start one there with"):
        KnowledgeIndex.open(knowledge, chroma, "http://127.0.0.1:9")
    (chroma.parent / "file").write_text("")
    with pytest.raises(UserError, match="only a cache"):
        KnowledgeIndex.open(knowledge, chroma.parent / "file")
    with pytest.raises(UserError, match=r"profiles\.parquet is missing: run the knowledge stage first"):
        KnowledgeIndex.open(chroma, chroma)


ASK = """
import sys
from pathlib import Path
from sediff.knowledge.index import KnowledgeIndex
print(KnowledgeIndex.open(Path(sys.argv[1]), Path(sys.argv[2])).nearest("disease", 5))
"""


def test_a_damaged_folder_is_one_sentence(tmp_path, chroma):
    """In processes of their own, since Chroma keeps open what it has opened."""
    knowledge = write_store(tmp_path / "knowledge", 2000)  # enough for vectors in files of their own
    program = [sys.executable, "-c", ASK, str(knowledge), str(chroma)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(program, check=True, capture_output=True, env=environment)

    def refused() -> bool:
        result = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
        return "UserError: The Chroma database in" in result.stderr.splitlines()[-1]

    folders = [path for path in chroma.iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        shutil.rmtree(folder)
    assert refused(), "vectors are lost, though the database counts them"
    content = (chroma / "chroma.sqlite3").read_bytes()
    (chroma / "chroma.sqlite3").write_bytes(content[: len(content) // 2])
    assert refused()
