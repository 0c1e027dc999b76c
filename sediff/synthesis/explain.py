"""What a dataset's records rest on, each condition once: what `sediff synthesize --explain` prints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from sediff.texts import with_details

SHOWN = 10  # conditions; and neighbours of each
CONDITION = ("text", "experience_id")  # the id tells one patient from another, and leaves out what else is drawn
RESTS_ON = (
    "experience", "distiller", "confidence", "exact_similarity", "meaning_similarity", "neighbours", "similarities"
)  # fmt: skip


def explanation(records: Path) -> list[str]:
    """The first conditions of the dataset in `records`, the experience that each rests on, and how to see the rest."""
    table = pl.scan_parquet(records / "shard-*.parquet")
    of_each = table.group_by(CONDITION).agg(pl.len().alias("count"), pl.col("index").min())
    found = of_each.sort("index").collect(engine="streaming")
    first = found.head(SHOWN).select("index", "count")
    chosen = table.filter(pl.col("index").is_in(first["index"].to_list()))
    rows = chosen.select("index", *CONDITION, "age", "sex", *RESTS_ON).sort("index").collect()
    lines = [line for row in rows.join(first, on="index").sort("index").iter_rows(named=True) for line in _told(row)]
    if left := len(found) - len(first):
        lines.append(f"{left} more conditions: a row of {records} has what it rests on in {', '.join(RESTS_ON)}")
    return lines


def _told(row: Mapping[str, Any]) -> list[str]:
    age = "" if row["age"] is None else f"{row['age']:g} years"
    asked = with_details(row["text"], age, row["sex"] or "")
    count = "1 record" if row["count"] == 1 else f"{row['count']} records, the first"
    head = f"{asked}: {count} of index {row['index']}"
    if not row["experience_id"]:
        return [head, "  experience: none, no training patient's record is like it"]
    likeness = {"exact": row["exact_similarity"], "by meaning": row["meaning_similarity"]}
    told = ", ".join(f"{name} {value:.2f}" for name, value in likeness.items() if value is not None)
    pairs = list(zip(row["neighbours"], row["similarities"], strict=True))
    nearest = ", ".join(f"{record} ({similarity:.2f})" for record, similarity in pairs[:SHOWN])
    others = f", and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return [
        head,
        f"  experience: {row['experience']}",
        f"  {row['experience_id']}, confidence {row['confidence']:.2f}, distiller {row['distiller']}, best: {told}",
        f"  from: {nearest}{others}",
    ]
