"""Texts by meaning, all compared: what the index in Chroma finds, without the misses of an approximate search."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sediff.knowledge.embedding import embed

ROUNDING = 1e-5  # of cosines, with room to spare


class ExactIndex:
    """Answers as `KnowledgeIndex` does, the same each time, without a database; 4 kB of memory a text."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts` of training profiles by id, as `Store.distinct_texts` has them."""
        self._texts, self._names = texts, list(texts)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return embed(list(self._texts.values()))

    def nearest(self, text: str, k: int) -> list[tuple[str, float]]:
        """Ids of the texts nearest to one, with the cosine (-1 to 1); equal ones by id."""
        cosines = self._vectors @ embed([text])[0]
        least = np.partition(cosines, -k)[-k] if k < len(cosines) else -1.0
        rows = np.flatnonzero(cosines > least - ROUNDING)
        pairs = zip([self._names[row] for row in rows], cosines[rows].tolist(), strict=True)
        return sorted(pairs, key=lambda pair: (-round(pair[1], 6), pair[0]))[:k]
