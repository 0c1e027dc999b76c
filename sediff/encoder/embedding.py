"""Models that embed texts, in the place of the conditioner's own hashed subwords.

A model is frozen, and asked once for each segment of a text. What an endpoint said is an input, not a result: it is
kept for ever, keyed by model and text, so that a rerun asks nothing and gives the same bytes.
"""

from collections.abc import Iterator, Sequence
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


def open_embedding(kind: Kind, model: str, access: EmbeddingAccess) -> TextEmbedding | None:
    """What `encoder.conditioner.text` names; None for "hashed", which the conditioner does itself.

    Args:
        model: its name at the endpoint, or its folder.

    Raises:
        UserError: no model is named, no endpoint is configured or it may not see the texts, or there is no model.
    """
    if kind == "hashed":
        return None
    if not model:
        raise UserError(f"encoder.conditioner.text is {kind}, but encoder.conditioner.model names none: set it.")
    if kind == "sentence-transformers":
        return SentenceTransformersEmbedding(Path(model))
    if not access.base_url:
        raise UserError("encoder.conditioner.text is openai, but runtime.embedding_base_url is empty: set it.")
    endpoint = Endpoint(access.base_url, model, access.allow_list)
    if access.restricted and not endpoint.may_see_restricted():
        raise UserError(
            f"Source {access.restricted} is restricted and its texts may not be sent to {access.base_url}: use an "
            "endpoint on loopback, allow-list its host, or choose encoder.conditioner.text hashed."
        )
    return OpenAiEmbedding(endpoint, access.answers)


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
    embedding = open_embedding(described["kind"], described["model"], access)
    if embedding is None or embedding.identity != described["identity"]:
        raise UserError(
            f"{described['model']} is not the model that the conditioner was trained with: restore it, or run the "
            "encoder stage again."
        )
    return embedding


class OpenAiEmbedding:
    """Asks an OpenAI-compatible endpoint, and keeps each answer in `answers/<key>.npy`."""

    def __init__(self, endpoint: Endpoint, answers: Path) -> None:
        self.endpoint, self.answers = endpoint, answers
        self.identity = f"openai:{endpoint.model}"

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; only those that nobody asked for before are sent.

        Raises:
            UserError: the endpoint cannot be reached or answers with something else; answers so far are kept.
        """
        told = sorted({text for text in texts if text.strip()})
        unknown = [text for text in told if not self._path(text).exists()]
        client = self.endpoint.client() if unknown else None
        for start in range(0, len(unknown), ASKED_AT_ONCE):
            assert client is not None
            asked = unknown[start : start + ASKED_AT_ONCE]
            for text, vector in zip(asked, self._ask(client, asked), strict=True):
                with replacing(self._path(text)) as temporary, temporary.open("wb") as stream:
                    np.save(stream, vector, allow_pickle=False)
        vectors = dict(zip(told, self._kept(told), strict=True))
        zeros = np.zeros(len(vectors[told[0]]) if told else 0, np.float32)
        return np.stack([vectors.get(text, zeros) for text in texts]) if texts else np.zeros((0, 0), np.float32)

    def _path(self, text: str) -> Path:
        return self.answers / f"{sha256_json({'model': self.endpoint.model, 'text': text})}.npy"

    def _kept(self, texts: Sequence[str]) -> Iterator[Vectors]:
        """What is kept of each text; all vectors must have one length."""
        dimensions: int | None = None
        for text in texts:
            path = self._path(text)
            try:
                vector = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError):
                raise UserError(f"{path} is damaged: remove it, and its text is embedded again.") from None
            dimensions = len(vector) if dimensions is None else dimensions
            if len(vector) != dimensions:
                raise UserError(
                    f"{self.endpoint.model} answered with {len(vector)} numbers for one text and {dimensions} for "
                    f"another: remove {self.answers} and run again."
                )
            yield vector

    def _ask(self, client: "OpenAI", texts: list[str]) -> list[Vectors]:
        """One request."""
        import openai

        try:
            answer = client.embeddings.create(model=self.endpoint.model, input=texts, encoding_format="float")
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

    def __init__(self, folder: Path) -> None:
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
        self.identity = f"sentence-transformers:{content_hash(folder)}"

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, in an order of their own, so that the batches are the same for the same texts."""
        told = sorted({text for text in texts if text.strip()})
        rows = self.model.encode(told, convert_to_numpy=True, show_progress_bar=False) if told else []
        vectors = dict(zip(told, np.asarray(rows, np.float32), strict=True))
        zeros = np.zeros(self.model.get_sentence_embedding_dimension(), np.float32)
        return np.stack([vectors.get(text, zeros) for text in texts]) if texts else zeros[None, :0]
