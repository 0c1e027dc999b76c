"""Texts to vectors without a model: hashed words and their parts, the same vector for the same text everywhere."""

import re
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from chromadb import EmbeddingFunction, Embeddings
from chromadb.api.types import Embeddable
from chromadb.utils.embedding_functions import register_embedding_function
from numpy.typing import NDArray

DIMENSIONS = 1024  # of 256, words that have nothing in common come to a cosine of 0.28; of these to 0.16
WORD = re.compile(r"\w+")
PART = 4  # letters
FREQUENT = frozenset({"the", "of", "in", "and", "with", "from", "on", "for", "mit", "und", "auf", "von"})  # say nothing


@lru_cache(maxsize=65536)
def _word_vector(word: str, dimensions: int) -> NDArray[np.float32]:
    """A word as the sum of its signed hashes and those of its parts; letters only, as numbers say little alone."""
    vector = np.zeros(dimensions, np.float32)
    marked = f"<{word}>"
    parts = {marked, *(marked[start : start + PART] for start in range(len(marked) - PART + 1))}
    for part in sorted(parts):
        value = crc32(part.encode())
        vector[value % dimensions] += (1.0 if value >> 31 else -1.0) * (2.0 if part == marked else 1.0)
    return vector / np.sqrt(len(parts))


@lru_cache(maxsize=4096)  # 16 MB: questions of one store come upon the same profiles again and again
def _sum_of_words(text: str, dimensions: int) -> NDArray[np.float32]:
    vector = np.zeros(dimensions, np.float32)
    for word in dict.fromkeys(WORD.findall(text.lower())):
        if not word[0].isdigit() and word not in FREQUENT:
            vector += _word_vector(word, dimensions)
    return vector


def embed(texts: list[str], dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """Unit vectors of texts: (texts, dimensions); a word counts once a text, and a text without a word is 0."""
    vectors = np.zeros((len(texts), dimensions), np.float32)
    for row, text in enumerate(texts):
        vectors[row] = _sum_of_words(text, dimensions)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(norms, norms, 1)  # so that a text that says nothing is like none
    return vectors


@register_embedding_function
class HashedSubwords(EmbeddingFunction[Embeddable]):
    """`embed` as Chroma knows it; the module must be imported before a collection is opened again."""

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        self.dimensions = dimensions

    def __call__(self, input: Embeddable) -> Embeddings:
        return list(embed([str(text) for text in input], self.dimensions))

    @staticmethod
    def name() -> str:
        """The name that a collection records."""
        return "sediff_hashed_subwords"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "HashedSubwords":
        """What `get_config` described."""
        return HashedSubwords(int(config["dimensions"]))

    def get_config(self) -> dict[str, Any]:
        """What a collection records."""
        return {"dimensions": self.dimensions}
