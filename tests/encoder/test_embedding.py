import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
import torch

from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, encode_conditions
from sediff.encoder.embedding import EmbeddingAccess, describe, open_embedding, reopen_embedding
from sediff.encoder.tokens import TEXT_TOKENS
from sediff.errors import UserError
from tests.conftest import ROOT
from tests.encoder.conftest import PARAMS
from tests.servers import running

TEXTS = ["Sinus rhythm", "", "Vorhofflimmern", "Sinus rhythm"]


class Embedder(ThreadingHTTPServer):
    """An endpoint that embeds a text as the counts of its letters, and remembers what it was asked."""

    status, dimensions, dropped, body, delay = 200, 5, 0, b"", 0.0
    asked: list[str]

    @property
    def access(self) -> EmbeddingAccess:
        return EmbeddingAccess(f"http://127.0.0.1:{self.server_port}/v1", answers=self.answers)

    answers = Path()


class Handler(BaseHTTPRequestHandler):
    server: Embedder

    def do_POST(self) -> None:
        server, request = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked += request["input"]
        time.sleep(server.delay)
        rows = [
            {
                "object": "embedding",
                "index": i,
                "embedding": [float(text.count(c)) for c in "aeiou"[: server.dimensions]],
            }
            for i, text in enumerate(request["input"])
        ]
        kept = rows[server.dropped :][::-1]  # an index says whose a row is, not its place
        answer: dict[str, Any] = {"object": "list", "model": request["model"], "data": kept}
        body = server.body or json.dumps(answer | {"usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode()
        self.send_response(server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(answers: Path) -> Iterator[Embedder]:
    server = Embedder(("127.0.0.1", 0), Handler)
    server.asked, server.answers = [], answers
    with running(server):
        yield server


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Embedder]:
    monkeypatch.setattr("sediff.endpoint.Endpoint.retries", 0)
    with serving(tmp_path / "answers") as server:
        yield server


def embed(server: Embedder, texts: list[str] = TEXTS) -> np.ndarray:
    embedding = open_embedding("openai", "m", server.access)
    assert embedding is not None
    return embedding(texts)


def test_each_text_is_asked_for_once_and_never_again(server):
    first = embed(server)
    assert sorted(server.asked) == ["Sinus rhythm", "Vorhofflimmern"], "an empty text is not sent"
    assert first.dtype == np.float32
    assert first.tolist() == [[0, 0, 1, 0, 1], [0] * 5, [0, 1, 1, 2, 0], [0, 0, 1, 0, 1]]
    server.status = 500
    assert (embed(server) == first).all(), "a restart asks nothing"
    assert len(server.asked) == 2


def test_what_was_answered_before_a_fault_is_kept(server, monkeypatch):
    monkeypatch.setattr("sediff.encoder.embedding.ASKED_AT_ONCE", 1)
    embed(server, ["a"])
    server.status = 429
    with pytest.raises(UserError, match="status 429: run again to go on"):
        embed(server, ["a", "b"])
    server.status = 200
    server.asked.clear()
    embed(server, ["a", "b"])
    assert server.asked == ["b"]


def test_of_processes_that_train_together_one_asks_and_the_others_read(server, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    server.delay = 1.0
    ask = "; ".join(
        [
            "import sys",
            "from pathlib import Path",
            "from sediff.encoder.embedding import EmbeddingAccess, open_embedding",
            "embedding = open_embedding('openai', 'm', EmbeddingAccess(sys.argv[1], answers=Path(sys.argv[2])))",
            "print('ready', flush=True)",
            "sys.stdin.readline()",
            "print(embedding(['a', 'b', 'c']).tolist())",
        ]
    )
    command = [sys.executable, "-c", ask, server.access.base_url, str(server.answers)]
    processes = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = {process.communicate()[0] for process in processes}
    assert sorted(server.asked) == ["a", "b", "c"]
    assert len(told) == 1
    assert "1.0" in told.pop()


def test_models_of_one_name_at_two_endpoints_share_no_answers(server):
    with serving(server.answers) as other:
        other.dimensions = 2
        assert embed(server, ["aeiou"]).tolist() == [[1.0] * 5]
        assert embed(other, ["aeiou"]).tolist() == [[1.0] * 2]
        server.status = other.status = 500
        assert embed(server, ["aeiou"]).shape == (1, 5)
        assert embed(other, ["aeiou"]).shape == (1, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": 401}, "status 401"),
        ({"dropped": 1}, "no vector of numbers for each of 2 texts"),
        ({"dimensions": 0}, "no vector of numbers"),
        ({"body": b"[]"}, "run again"),
        ({"body": b"no JSON"}, "run again"),
        ({"body": b'{"data": [{"index": 0, "embedding": ["x"]}]}'}, "run again"),
        ({"body": b'{"data": null}'}, "run again"),
    ],
)
def test_a_faulty_answer_is_one_sentence_and_not_kept(server, changes, message):
    for name, value in changes.items():
        setattr(server, name, value)
    with pytest.raises(UserError, match=message) as error:
        embed(server)
    assert "\n" not in str(error.value)
    assert not server.answers.exists()


def test_vectors_of_two_lengths_are_one_sentence(server):
    embed(server, ["a"])
    server.dimensions = 3
    with pytest.raises(UserError, match="m embeds in 3 and in 5 numbers"):
        embed(server, ["a", "b"])


def test_a_damaged_answer_is_named(server):
    embed(server, ["a"])
    (kept,) = server.answers.iterdir()
    kept.write_bytes(kept.read_bytes()[:20])
    with pytest.raises(UserError, match=rf"{kept.name} is damaged"):
        embed(server, ["a"])


def test_an_endpoint_that_is_not_there_is_one_sentence(tmp_path):
    embedding = open_embedding("openai", "m", EmbeddingAccess("http://127.0.0.1:9/v1", answers=tmp_path))
    with pytest.raises(UserError, match="could not be asked"):
        embedding(["a"])


def test_restricted_texts_stay_on_loopback_and_allowed_hosts():
    far = {"base_url": "https://api.example.org/v1", "restricted": "mimic"}
    with pytest.raises(UserError, match="Source mimic is restricted"):
        open_embedding("openai", "m", EmbeddingAccess(**far))
    assert open_embedding("openai", "m", EmbeddingAccess(**far, allow_list=("api.example.org",)))
    assert open_embedding("openai", "m", EmbeddingAccess("http://127.0.0.1:1/v1", restricted="mimic"))


@pytest.mark.parametrize(
    ("kind", "model", "message"),
    [
        ("openai", "", r"conditioner\.model names none"),
        ("openai", "m", "embedding_base_url is empty"),
        ("sentence-transformers", "nowhere", "nowhere, the folder of"),
    ],
)
def test_what_is_not_configured_is_one_sentence(kind, model, message):
    with pytest.raises(UserError, match=message):
        open_embedding(kind, model, EmbeddingAccess())


def test_sentence_transformers_that_are_not_installed_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"pip install 'sediff\[sentence-transformers\]'"):
        open_embedding("sentence-transformers", str(tmp_path), EmbeddingAccess())


def write_model(folder: Path) -> Path:
    """A sentence-transformers model of random weights: two layers of BERT over letters, and their mean."""
    models = pytest.importorskip("sentence_transformers.models", reason="the extra sentence-transformers")
    import sentence_transformers
    import transformers

    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "bert").mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=5 + len(letters), **shape)
    transformers.BertModel(config).save_pretrained(folder / "bert")
    words = models.Transformer(str(folder / "bert"))
    model = sentence_transformers.SentenceTransformer(modules=[words, models.Pooling(8)], device="cpu")
    model.save(str(folder / "model"))
    return folder / "model"


def test_a_model_in_a_folder_embeds_and_another_is_refused(tmp_path):
    folder = write_model(tmp_path)
    embedding = open_embedding("sentence-transformers", str(folder), EmbeddingAccess())
    assert embedding is not None
    vectors = embedding(TEXTS)
    assert vectors.shape == (4, 8)
    assert vectors.dtype == np.float32
    assert (vectors[0] == vectors[3]).all()
    assert not vectors[1].any()
    assert (embedding(TEXTS[:1]) == vectors[:1]).all(), "whatever else is asked"
    assert embedding([]).shape == (0, 0)
    described = describe("sentence-transformers", str(folder), embedding, 8)
    assert reopen_embedding(described, EmbeddingAccess()).identity == embedding.identity
    (folder / "README.md").write_text("another")
    with pytest.raises(UserError, match="not the model that the conditioner was trained with"):
        reopen_embedding(described, EmbeddingAccess())


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path):
    pytest.importorskip("sentence_transformers", reason="the extra sentence-transformers")
    with pytest.raises(UserError, match="holds no sentence-transformers model") as error:
        open_embedding("sentence-transformers", str(tmp_path), EmbeddingAccess())
    assert "\n" not in str(error.value)


def test_hashed_needs_nothing():
    assert open_embedding("hashed", "", EmbeddingAccess()) is None
    assert reopen_embedding(None, EmbeddingAccess()) is None


def test_a_conditioner_is_trained_on_embedded_segments_and_reads_new_ones(server, stage):
    own = PARAMS.conditioner.model_copy(update={"text": "openai", "model": "m"})
    stage.train_conditioner("run", PARAMS.model_copy(update={"conditioner": own}), server.access)
    assert set(server.asked) == {"normal ECG", "left bundle branch block", "normales ekg", "linksschenkelblock"}
    network = Conditioner.load(stage.folder / "run/out")
    assert network.config["embedding"] == {"kind": "openai", "model": "m", "identity": "openai:m", "dimensions": 5}
    embedding = reopen_embedding(network.config["embedding"], server.access)
    asked = [Condition("aaa. eee"), Condition("aaa. ooo"), Condition("")]
    encoded = encode_conditions(asked, stage.vocabulary, network.buckets, embedding)
    tokens, mask = network(encoded)
    first, second = TEXT_TOKENS - 6, TEXT_TOKENS - 5
    assert torch.equal(tokens[0, first], tokens[1, first])
    assert not torch.equal(tokens[0, second], tokens[1, second])
    assert mask[:, first:TEXT_TOKENS].sum(1).tolist() == [2, 2, 0]


def test_another_model_than_the_conditioners_is_refused(server):
    described = {"kind": "openai", "model": "m", "identity": "openai:other", "dimensions": 5}
    with pytest.raises(UserError, match="not the model that the conditioner was trained with"):
        reopen_embedding(described, server.access)


def test_another_number_of_dimensions_than_the_conditioners_is_refused(server):
    embedding = reopen_embedding(
        {"kind": "openai", "model": "m", "identity": "openai:m", "dimensions": 4}, server.access
    )
    assert embedding([""]).shape == (1, 4), "a text without words has as many"
    with pytest.raises(UserError, match="m embeds in 4 and in 5 numbers"):
        embedding(["a"])
