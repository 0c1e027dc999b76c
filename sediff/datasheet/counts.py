"""How many records of each statement, sex and age, counted some rows at a time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("seed", "statements", "sex", "age", "model", "fingerprint")
NOT_ASKED = "not asked for"
LAST_BAND = 90  # years, from which on ages are one band


@dataclass
class Counts:
    """Records in all, and by what they were asked for; seeds, models and fingerprints are those that made them."""

    records: int = 0
    statements: Counter[str] = field(default_factory=Counter)
    sexes: Counter[str] = field(default_factory=Counter)
    ages: Counter[str] = field(default_factory=Counter)
    seeds: Counter[int] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    fingerprints: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "records": self.records,
            "statements": dict(sorted(self.statements.items())),
            "sexes": dict(sorted(self.sexes.items())),
            "ages": dict(sorted(self.ages.items())),
            "seeds": sorted(self.seeds),
            "models": sorted(self.models),
            "fingerprints": sorted(self.fingerprints),
        }


def count(batches: Iterable[pa.RecordBatch | pa.Table]) -> Counts:
    """Count rows with the columns `COLUMNS`."""
    counts = Counts()
    for batch in batches:
        counts.records += len(batch)
        counts.statements.update(_values(pc.list_flatten(batch["statements"])))
        counts.sexes.update({sex or NOT_ASKED: n for sex, n in _values(batch["sex"]).items()})
        for age, n in _values(batch["age"]).items():
            counts.ages[_band(age)] += n
        counts.seeds.update(_values(batch["seed"]))
        counts.models.update(_values(batch["model"]))
        counts.fingerprints.update(_values(batch["fingerprint"]))
    return counts


def _values(column: pa.Array | pa.ChunkedArray) -> dict[Any, int]:
    found = pc.value_counts(column)
    parts = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return {row["values"]: row["counts"] for row in parts.to_pylist()}


def _band(age: float | None) -> str:
    if age is None:
        return NOT_ASKED
    decade = int(age) // 10 * 10
    return f"{LAST_BAND} and over" if decade >= LAST_BAND else f"{decade:02d}-{decade + 9:02d}"
