"""Models that embed texts, in the place of the conditioner's own hashed subwords.

A model is frozen, and asked once for each segment of a text. What an endpoint said is an input, not a result: it is
kept for ever, keyed by address, model and text, so that a rerun asks nothing and gives the same bytes. Two endpoints
that call their models alike share no answers, and one that moved is asked again.

What the results depend on is the model's name (`encoder.conditioner.model`, and the identity that a conditioner keeps).
The address says where to compute, as a device does: it stands in `runtime`, in no fingerprint and in no out, so that a
team whose endpoints are elsewhere gets the same stages. Behind another address the same name has to be the same model;
who serves another one there gives it another name, and the stage runs again.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sediff.encoder.conditions import TextEmbedding
from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.files import replacing, sha256_json
from sediff.lineage.fingerprint import content_hash

if TYPE_CHECKING:
    from openai import OpenAI

ASKED_AT_ONCE = 128  # texts
Kind = Literal["hashed", "openai", "sentence-transformers"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddingAccess:
    """How models of texts are reached.

    Attributes:
        base_url: of an OpenAI-compatible API; "" where there is none.
        allow_list: hosts that may see texts of restricted sources.
        answers: folder in which an endpoint's answers are kept.
        restricted: a restricted source from which texts come; "" where none is.
    """

    base_url: str = ""
    allow_list: tuple[str, ...] = ()
    answers: Path = Path(".sediff/answers/embeddings")
    restricted: str = ""


def open_embedding(
    kind: Kind, model: str, access: EmbeddingAccess, dimensions: int | None = None
) -> TextEmbedding | None:
    """What `encoder.conditioner.text` names; None for "hashed", which the conditioner does itself.

    Args:
        model: its name at the endpoint, or its folder.
        dimensions: of the vectors, where they are known; others are refused.

    Raises:
        UserError: no model is named, no endpoint is configured or it may not see the texts, or there is no model.
    """
    if kind == "hashed":
        return None
    if not model:
        raise UserError(f"encoder.conditioner.text is {kind}, but encoder.conditioner.model names none: set it.")
    if kind == "sentence-transformers":
        return SentenceTransformersEmbedding(Path(model), dimensions)
    if not access.base_url:
        raise UserError("encoder.conditioner.text is openai, but runtime.embedding_base_url is empty: set it.")
    endpoint = Endpoint(access.base_url, model, access.allow_list)
    if access.restricted and not endpoint.may_see_restricted():
        raise UserError(
            f"Source {access.restricted} is restricted and its texts may not be sent to {access.base_url}: use an "
            "endpoint on loopback, allow-list its host, or choose encoder.conditioner.text hashed."
        )
    return OpenAiEmbedding(endpoint, access.answers, dimensions)


def describe(kind: Kind, model: str, embedding: TextEmbedding | None, dimensions: int) -> dict[str, Any] | None:
    """What a conditioner keeps of the model that it was trained with; None for hashed subwords."""
    if embedding is None:
        return None
    return {"kind": kind, "model": model, "identity": embedding.identity, "dimensions": dimensions}


def reopen_embedding(described: dict[str, Any] | None, access: EmbeddingAccess) -> TextEmbedding | None:
    """The model that `describe` described.

    Raises:
        UserError: as `open_embedding`, or it is another model now.
    """
    if described is None:
        return None
    embedding = open_embedding(described["kind"], described["model"], access, described["dimensions"])
    if embedding is None or embedding.identity != described["identity"]:
        raise UserError(
            f"{described['model']} is not the model that the conditioner was trained with: restore it, or run the "
            "encoder stage again."
        )
    return embedding


class OpenAiEmbedding:
    """Asks an OpenAI-compatible endpoint, and keeps each answer in `answers/<key>.npy`.

    Of several processes, those of one training among them, one asks while the others wait, and then read.
    """

    def __init__(self, endpoint: Endpoint, answers: Path, dimensions: int | None = None) -> None:
        self.endpoint, self.answers, self.dimensions = endpoint, answers, dimensions
        self.identity = f"openai:{endpoint.model}"

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; only those that nobody asked for before are sent.

        Raises:
            UserError: the endpoint cannot be reached or answers with something else; answers so far are kept.
        """
        told = sorted({text for text in texts if text.strip()})
        if self._unknown(told):
            with _alone(self.answers):
                self._learn(self._unknown(told))
        return _for_each(texts, told, [self._kept(text) for text in told], self.dimensions, self.endpoint.model)

    def _unknown(self, texts: Sequence[str]) -> list[str]:
        return [text for text in texts if not self._path(text).exists()]

    def _learn(self, texts: Sequence[str]) -> None:
        """Ask for texts and keep the answers."""
        client = self.endpoint.client() if texts else None
        for start in range(0, len(texts), ASKED_AT_ONCE):
            assert client is not None
            asked = texts[start : start + ASKED_AT_ONCE]
            for text, vector in zip(asked, self._ask(client, asked), strict=True):
                with replacing(self._path(text)) as temporary, temporary.open("wb") as stream:
                    np.save(stream, vector, allow_pickle=False)

    def _path(self, text: str) -> Path:
        address = self.endpoint.base_url.rstrip("/")
        key = sha256_json({"base_url": address, "model": self.endpoint.model, "text": text})
        return self.answers / f"{key}.npy"

    def _kept(self, text: str) -> Vectors:
        path = self._path(text)
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise UserError(f"{path} is damaged: remove it, and its text is embedded again.") from None

    def _ask(self, client: "OpenAI", texts: Sequence[str]) -> list[Vectors]:
        """One request."""
        import openai

        try:
            answer = client.embeddings.create(model=self.endpoint.model, input=list(texts), encoding_format="float")
            rows = sorted(answer.data, key=lambda row: row.index)
            vectors = [np.asarray(row.embedding, np.float32) for row in rows]
        except openai.APIStatusError as error:
            raise self._stopped(f"answered with status {error.status_code}") from None
        except openai.OpenAIError as error:
            raise self._stopped(f"could not be asked ({type(error).__name__})") from None
        except (AttributeError, TypeError, ValueError):
            raise self._stopped("answered with no embeddings") from None
        if len(vectors) != len(texts) or not all(v.ndim == 1 and len(v) and np.isfinite(v).all() for v in vectors):
            raise self._stopped(f"answered with no vector of numbers for each of {len(texts)} texts")
        return vectors

    def _stopped(self, what: str) -> UserError:
        return UserError(f"{self.endpoint.base_url} {what}: run again to go on, the answers so far are kept.")


class SentenceTransformersEmbedding:
    """A sentence-transformers model in a folder of this machine; nothing is downloaded or unpickled."""

    def __init__(self, folder: Path, dimensions: int | None = None) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder}, the folder of encoder.conditioner.model, is missing: correct it.")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise UserError(
                "encoder.conditioner.text is sentence-transformers, which is not installed: run "
                "`pip install 'sediff[sentence-transformers]'`."
            ) from None
        try:
            self.model = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
            )
        except (OSError, ValueError, KeyError) as error:
            sentence = " ".join(str(error).split())[:200]
            raise UserError(f"{folder} holds no sentence-transformers model ({sentence}): correct it.") from None
        self.folder, self.dimensions = folder, dimensions
        self.identity = f"sentence-transformers:{content_hash(folder)}"

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, one at a time: a vector's last bits depend on what else is in its batch."""
        told = sorted({text for text in texts if text.strip()})
        encode = self.model.encode
        vectors = [encode(text, convert_to_numpy=True, show_progress_bar=False) for text in told]
        return _for_each(texts, told, vectors, self.dimensions, str(self.folder))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder's questions; a process that ends, however it does, lets them in."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _for_each(
    texts: Sequence[str], told: Sequence[str], vectors: Sequence[Vectors], dimensions: int | None, model: str
) -> Vectors:
    """The vectors of `told` for each of `texts`, zeros for empty ones: (texts, dimensions).

    Raises:
        UserError: vectors of other dimensions.
    """
    found = {len(vector) for vector in vectors} | ({dimensions} if dimensions else set())
    if len(found) > 1:
        raise UserError(
            f"{model} embeds in {' and in '.join(map(str, sorted(found)))} numbers: use one model for all texts, or "
            "remove .sediff/answers/embeddings and run the encoder stage again."
        )
    known = dict(zip(told, vectors, strict=True))
    length = max(found, default=0)
    rows = [known.get(text, np.zeros(length, np.float32)) for text in texts]
    return np.asarray(rows, np.float32).reshape(len(rows), length)
