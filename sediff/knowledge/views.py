"""One view of many profiles: who has which item, and how many items others share with them."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

FREQUENT = 1 / 64  # an item that so many profiles have is kept as a column of zeros and ones
ROWS_PER_CHUNK = 32768  # profiles, so few that what is worked on stays in a core's cache


@dataclass(frozen=True)
class View:
    """The sets of n profiles.

    Attributes:
        columns: item to its number, the most frequent first.
        frequent: (f, n) whether a profile has the item, 0 or 1, of the first f items.
        rare: the profiles that have the item, of each of the others.
        sizes: (n,) items of each profile, whole numbers.
    """

    columns: dict[str, int]
    frequent: NDArray[np.uint8]
    rare: list[NDArray[np.int32]]
    sizes: NDArray[np.float32]

    @classmethod
    def of(cls, items: pl.Series) -> Self:
        """The sets that a column of lists holds."""
        counts = items.explode(empty_as_null=False).drop_nulls().rename("item").value_counts(name="count")
        counts = counts.sort("count", "item", descending=[True, False])
        columns = {item: column for column, item in enumerate(counts["item"])}
        holders = _holders(items, columns)
        frequent = np.zeros((int((counts["count"] > FREQUENT * len(items)).sum()), len(items)), np.uint8)
        for column, profiles in zip(frequent, holders, strict=False):
            column[profiles] = 1
        return cls(columns, frequent, holders[len(frequent) :], sizes(items).astype(np.float32))

    def shared(self, queries: pl.Series) -> NDArray[Any]:
        """How many items each query shares with each profile: (queries, n), unsigned.

        Frequent items are added column by column to a chunk of profiles at a time: bytes of a few queries, which a
        core's cache holds.
        """
        most = min(int(sizes(queries).max(initial=0)), int(self.sizes.max(initial=0)))
        counts = np.zeros((len(queries), len(self.sizes)), np.uint8 if most < 256 else np.uint16)
        asking: dict[int, list[int]] = {}  # queries by the items that they have, which are few
        for query, items in enumerate(queries.to_list()):
            for item in items or ():
                if item in self.columns:
                    asking.setdefault(self.columns[item], []).append(query)
        first_rare = len(self.frequent)
        for column, with_item in asking.items():
            if column >= first_rare:
                for query in with_item:
                    counts[query, self.rare[column - first_rare]] += 1
        frequent = [(self.frequent[column], with_item) for column, with_item in asking.items() if column < first_rare]
        for start in range(0, len(self.sizes), ROWS_PER_CHUNK):
            part = slice(start, start + ROWS_PER_CHUNK)
            rows = list(counts[:, part])
            for own, queries_with in frequent:
                ones = own[part]
                for query in queries_with:
                    np.add(rows[query], ones, out=rows[query])
        return counts


def sizes(items: pl.Series) -> NDArray[np.int32]:
    """How many items each list has."""
    return items.list.len().to_numpy().astype(np.int32)


def _holders(items: pl.Series, columns: Mapping[str, int]) -> list[NDArray[np.int32]]:
    """The rows whose list has the item, of each column."""
    flat = pl.DataFrame({"row": pl.int_range(len(items), dtype=pl.Int32, eager=True), "item": items})
    known = pl.DataFrame(
        {"item": list(columns), "column": list(columns.values())}, schema_overrides={"item": pl.String}
    )
    pairs = flat.explode("item").join(known, on="item").sort("column", "row")
    ends = np.searchsorted(pairs["column"].to_numpy(), np.arange(len(columns) + 1))
    rows = pairs["row"].to_numpy()
    return [rows[start:end] for start, end in itertools.pairwise(ends)]
