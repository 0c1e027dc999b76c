"""The synthesis stage: rows of a request to shards of records, resumable shard by shard."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sediff.files import replacing, write_json
from sediff.knowledge.experience import Experience
from sediff.progress import track
from sediff.records import ROWS_PER_GROUP, SIGNAL, signal_column, write_table
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.request import RequestRow

SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("request", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("try", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("age", pa.float32()),
        pa.field("sex", pa.string()),
        pa.field("heart_rate", pa.float32()),
        pa.field("axis", pa.float32()),
        pa.field("statements", pa.list_(pa.string()), nullable=False),
        pa.field("matched_record_id", pa.string(), nullable=False),
        pa.field("experience_id", pa.string(), nullable=False),
        pa.field("experience", pa.string(), nullable=False),
        pa.field("distiller", pa.string(), nullable=False),
        pa.field("neighbours", pa.list_(pa.string()), nullable=False),
        pa.field("similarities", pa.list_(pa.float32()), nullable=False),
        pa.field("simulator_statement", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        SIGNAL,
    ]
)


def synthesize(
    request: str,
    rows: Sequence[RequestRow],
    sampler: SamplerParams,
    generator: EcgGenerator,
    out: Path,
    report: Path,
    work: Path,
    seed: int,
    fingerprint: str,
) -> str:
    """Write `out/records/shard-NNN.parquet`, 512 records each.

    A finished shard in `work` is taken as it is, so an interrupted call goes on where it stopped;
    record i is the same whatever the number of records.
    """
    starts = range(0, len(rows), ROWS_PER_GROUP)
    for number, start in enumerate(track(starts, len(starts), f"synthesis@{request}: shards")):
        path = work / f"shard-{number:03d}.parquet"
        if not path.exists():
            part = rows[start : start + ROWS_PER_GROUP]
            write_table(_table(request, part, start, sampler, generator, seed, fingerprint), path)
    for path in sorted(work.glob("shard-*.parquet")):
        with replacing(out / "records" / path.name) as temporary:
            temporary.write_bytes(path.read_bytes())
    statements = Counter(code for row in rows for code in row.statements)
    metrics = {"records": len(rows), "prompts": len({row.condition.text for row in rows}), "seed": seed}
    write_json(report / "metrics.json", {**metrics, "statements": dict(sorted(statements.items()))})
    return f"{len(rows)} synthetic records of {metrics['prompts']} prompts in {len(starts)} shards"


def _table(
    request: str,
    rows: Sequence[RequestRow],
    start: int,
    sampler: SamplerParams,
    generator: EcgGenerator,
    seed: int,
    fingerprint: str,
) -> pa.Table:
    slots = [Slot(seed, start + position) for position in range(len(rows))]
    signals = generator.make(rows, slots, sampler)
    simulated = generator.morphology.statement_of([list(row.statements) for row in rows])
    columns = [
        {
            "record_id": f"{request}/{slot.index:06d}",
            "request": request,
            "seed": slot.seed,
            "index": slot.index,
            "try": slot.attempt,
            "text": row.condition.text,
            "age": row.condition.age,
            "sex": row.condition.sex,
            "heart_rate": row.condition.heart_rate,
            "axis": row.condition.axis,
            "statements": list(row.statements),
            "matched_record_id": row.matched_record_id,
            **_rests_on(row.condition.experience),
            "simulator_statement": statement,
            "model": generator.model,
            "fingerprint": fingerprint,
        }
        for row, slot, statement in zip(rows, slots, simulated, strict=True)
    ]
    table = pa.Table.from_pylist(columns, schema=SCHEMA.remove(len(SCHEMA) - 1))
    return table.append_column(SIGNAL, signal_column(np.asarray(signals)))


def _rests_on(experience: Experience | None) -> dict[str, Any]:
    """What a record rests on, for whoever checks it: the report, who wrote it, and of which patients' records."""
    if experience is None:
        return {"experience_id": "", "experience": "", "distiller": "", "neighbours": [], "similarities": []}
    return {
        "experience_id": experience.experience_id,
        "experience": experience.report.text,
        "distiller": experience.distiller,
        "neighbours": list(experience.neighbours),
        "similarities": list(experience.similarities),
    }
