"""The index against real Chroma: embedded, served, cut short, shared, damaged."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import polars as pl
import pytest
from chromadb.api.models.Collection import Collection
from chromadb.api.shared_system_client import SharedSystemClient

from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.knowledge import index as module
from sediff.knowledge import index_files
from sediff.knowledge.index import KnowledgeIndex, refresh_index
from sediff.knowledge.profiles import PROFILES, TERMS, VIEWS
from sediff.knowledge.store import open_store, text_id

SIZE = 300
HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
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

HOLD = """
import sys
from pathlib import Path
from sediff.knowledge.index import _alone
with _alone(Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
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
            "statements": [],
            "age": 50.0,
            "sex": "male",
        }
        for copy in range(2)
        for number in range(size)
    ]
    lists = {name: pl.List(pl.String) for name in (*VIEWS, "statements")}
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
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=HERE)


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


@contextmanager
def held(chroma: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has the folder's lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(chroma)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=HERE,
    )
    try:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_whoever_waits_for_another_process_says_so(knowledge, chroma, capsys):
    KnowledgeIndex.open(knowledge, chroma)
    assert "waiting" not in capsys.readouterr().err
    with held(chroma) as process:
        release = Timer(0.5, process.kill)  # one that is killed holds nothing
        release.start()
        assert len(KnowledgeIndex.open(knowledge, chroma)) == SIZE
        release.join()
    (said,) = capsys.readouterr().err.splitlines()
    waiting = f"waiting, for 30 min at most, for process {process.pid}, which has the index in {chroma}"
    assert said == f"knowledge: {waiting} and may be building it"


def test_a_process_that_keeps_the_index_is_not_waited_for_without_end(knowledge, chroma):
    with held(chroma) as process:
        with pytest.raises(UserError) as refused:
            KnowledgeIndex.open(knowledge, chroma, wait=0.3)
        sentence = f"The index in {chroma} was not given back by process {process.pid} in 0.005 min: wait until"
        assert str(refused.value).startswith(sentence) and process.poll() is None
    assert len(KnowledgeIndex.open(knowledge, chroma)) == SIZE


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


def kill_at_work(knowledge: Path, chroma: Path, address: str = "") -> None:
    """Begin to build, and kill -9 after six batches."""
    process = start(knowledge, chroma, address)
    assert process.stdout
    for _ in range(6):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_build_that_is_killed_is_not_trusted_and_goes_on_at_a_server(knowledge, chroma, server, monkeypatch):
    write_store(knowledge, SIZE - 1)  # another collection than those of other tests
    kill_at_work(knowledge, chroma, server)
    client = module._client(chroma, server)
    before = client.get_collection((chroma / "built").read_text())
    assert 50 <= before.count() < SIZE - 1
    assert "hash" not in (before.metadata or {})
    kept, added = set(before.get(include=[])["ids"]), []
    upsert = Collection.upsert
    monkeypatch.setattr(Collection, "upsert", lambda self, ids, **rows: added.extend(ids) or upsert(self, ids, **rows))
    monkeypatch.setattr(module, "PAGE", 7)
    index = KnowledgeIndex.open(knowledge, chroma, server)
    assert added and not set(added) & kept, "what was there is not made again"
    assert_whole(index, knowledge)


def test_an_embedded_build_that_is_killed_begins_again(knowledge, chroma, capsys):
    kill_at_work(knowledge, chroma)
    assert list(chroma.glob("*/data_level0.bin"))
    assert_whole(KnowledgeIndex.open(knowledge, chroma), knowledge)
    (said,) = capsys.readouterr().err.splitlines()
    assert said == f"knowledge: what {chroma} holds is no whole index, which is built again"
    assert len(list(chroma.glob("*/data_level0.bin"))) == 1, "nothing of it is left"


def test_two_builds_at_once(knowledge, chroma):
    processes = [start(knowledge, chroma) for _ in range(2)]
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert out.splitlines()[-1] == f"rows {SIZE}"
    assert_whole(KnowledgeIndex.open(knowledge, chroma), knowledge)


def test_another_store_replaces_the_index_and_the_same_keeps_it(knowledge, chroma, capsys):
    told = f"index of {SIZE} distinct training profiles in Chroma"
    assert refresh_index(knowledge, chroma) == told
    (before,) = chroma.glob("*/data_level0.bin")
    assert refresh_index(knowledge, chroma) == told
    assert list(chroma.glob("*/data_level0.bin")) == [before]
    write_store(knowledge, 20)
    os.utime(knowledge / PROFILES)
    assert len(KnowledgeIndex.open(knowledge, chroma)) == 20
    (after,) = chroma.glob("*/data_level0.bin")
    assert after != before and not before.exists()
    assert capsys.readouterr().err == "", "nothing was damaged"


def test_an_index_that_is_built_again_leaves_one_of_another_folder_open(knowledge, chroma, tmp_path):
    other = tmp_path / "other"
    old, kept = KnowledgeIndex.open(knowledge, chroma), KnowledgeIndex.open(knowledge, other)
    (chroma / "files.json").unlink()
    new, same = KnowledgeIndex.open(knowledge, chroma), KnowledgeIndex.open(knowledge, other)
    assert same._collection._client is kept._collection._client, "one database, opened once"
    assert new._collection._client is not old._collection._client, "whose files are gone"
    for index in (new, kept, same):
        assert_whole(index, knowledge)


def test_another_store_replaces_the_index_at_a_server(knowledge, chroma, server):
    KnowledgeIndex.open(knowledge, chroma, server)._collection.modify(metadata={"hash": "other"})
    client = module._client(chroma, server)
    assert refresh_index(knowledge, chroma, server) == f"index of {SIZE} distinct training profiles in Chroma"
    collection = client.get_collection((chroma / "built").read_text())
    assert collection.metadata["hash"] != "other"
    collection.modify(metadata={**collection.metadata, "mark": "kept"})
    assert KnowledgeIndex.open(knowledge, chroma, server)._collection.metadata["mark"] == "kept"
    write_store(knowledge, 20)
    os.utime(knowledge / PROFILES)
    assert len(KnowledgeIndex.open(knowledge, chroma, server)) == 20
    assert collection.name not in [c.name for c in client.list_collections()]


def test_others_on_a_server_are_left_alone(knowledge, tmp_path, server):
    other = write_store(tmp_path / "other", 10)
    KnowledgeIndex.open(other, tmp_path / "b", server)
    KnowledgeIndex.open(knowledge, tmp_path / "a", server)
    assert_whole(KnowledgeIndex.open(other, tmp_path / "b", server), other)


def test_what_cannot_be_used_is_one_sentence(knowledge, chroma):
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
for folder in sys.argv[2:]:
    print(KnowledgeIndex.open(Path(sys.argv[1]), Path(folder)).nearest("disease", 5), flush=True)
"""


def asked(knowledge: Path, *folders: Path) -> tuple[list[str], list[str]]:
    """What a process of its own, which damage may end, answers from each index, and the lines it says."""
    command = [sys.executable, "-c", ASK, str(knowledge), *map(str, folders)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=HERE)
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines(), process.stderr.splitlines()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(path.stat().st_size))


def break_header(path: Path) -> None:
    path.write_bytes(b"this is no database " + path.read_bytes()[20:])


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "vectors-cut": ("*/data_level0.bin", cut),
    "vectors-empty": ("*/data_level0.bin", empty),
    "vectors-garbled": ("*/data_level0.bin", garble),
    "header-garbled": ("*/header.bin", garble),
    "links-cut": ("*/link_lists.bin", cut),
    "ids-gone": ("*/index_metadata.pickle", Path.unlink),
    "database-cut": ("chroma.sqlite3", cut),
    "database-of-another-kind": ("chroma.sqlite3", break_header),
    "folder-gone": ("????????-*", shutil.rmtree),
}


def test_a_damaged_index_is_built_again(tmp_path):
    knowledge = write_store(tmp_path / "knowledge", 1100)  # enough for vectors in files of their own
    whole = tmp_path / "whole"
    (right,), said = asked(knowledge, whole)
    assert said == [] and right.count("(") == 5
    damaged = {}
    for name, (pattern, damage) in DAMAGES.items():
        folder = shutil.copytree(whole, tmp_path / name)
        (path,) = folder.glob(pattern)
        damage(path)
        damaged[folder] = path / "data_level0.bin" if name == "folder-gone" else path
    answers, said = asked(knowledge, whole, *damaged)
    assert answers == [right] * (1 + len(DAMAGES))
    told = [f"knowledge: {path} is not as it was left, so the index is built again" for path in damaged.values()]
    assert said == told, "one line each, and none of the index that is whole"
    again, said = asked(knowledge, *damaged)
    assert again == [right] * len(DAMAGES) and said == []


@pytest.mark.parametrize("note", ["", "[]", '{"holds": "x", "files": {"a": 1}}', None])
def test_an_index_without_its_note_is_not_trusted(knowledge, chroma, capsys, note):
    assert_whole(KnowledgeIndex.open(knowledge, chroma), knowledge)
    (chroma / "files.json").unlink()
    if note is not None:
        (chroma / "files.json").write_text(note)
    assert_whole(KnowledgeIndex.open(knowledge, chroma), knowledge)
    (said,) = capsys.readouterr().err.splitlines()
    assert said == f"knowledge: what {chroma} holds is no whole index, which is built again"


@pytest.mark.parametrize("at_a_server", [False, True])
def test_a_damaged_note_of_what_was_built_does_not_stop_a_build(knowledge, chroma, request, at_a_server):
    address = request.getfixturevalue("server") if at_a_server else ""
    write_store(knowledge, SIZE - 2)  # another collection than those of other tests
    chroma.mkdir(parents=True, exist_ok=True)
    (chroma / "built").write_bytes(b"\xff")
    assert_whole(KnowledgeIndex.open(knowledge, chroma, address), knowledge)


def test_files_of_the_same_size_and_time_are_not_read_again(knowledge, chroma, monkeypatch):
    """The SQLite file alone, which Chroma writes to at each opening."""
    KnowledgeIndex.open(knowledge, chroma)
    (vectors,) = chroma.glob("*/data_level0.bin")
    read: list[str] = []
    monkeypatch.setattr(index_files, "sha256_file", lambda path: read.append(path.name) or sha256_file(path))
    KnowledgeIndex.open(knowledge, chroma)
    assert set(read) <= {"chroma.sqlite3"}
    os.utime(vectors)
    KnowledgeIndex.open(knowledge, chroma)
    assert vectors.name in read and vectors.exists(), "another time and the same content: it is whole"
