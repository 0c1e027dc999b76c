"""A request to shards of records: a pure function of models, request and seed, shared among any number of workers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.processes import Runner, worker_number
from sediff.progress import track
from sediff.pseudonyms import Pseudonyms
from sediff.records import ROWS_PER_GROUP, SIGNAL, read_table, signal_column
from sediff.records import shards as shards_of
from sediff.synthesis.gate import Gate
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import GateParams, SamplerParams
from sediff.synthesis.plan import Plan, Planner
from sediff.synthesis.request import RequestRow
from sediff.synthesis.shards import Shards
from sediff.vocabulary import Vocabulary

SMALLEST_SHARD, MANY = 256, 64  # rows; shards, from which on they grow
AT_ONCE = 4096  # shards that a runner is given: what it holds of each must not grow with the dataset
THREADS = 1  # of a worker: last bits may depend on their number, and several workers of one thread are the faster ones
READ = ("corpus", "simulator", "knowledge", "encoder/conditioner", "autoencoder", "diffusion")  # below `data/`

SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("request", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("try", pa.int64(), nullable=False),
        pa.field("miss", pa.list_(pa.string())),  # null: not measured
        pa.field("text", pa.string(), nullable=False),
        pa.field("age", pa.float32()),
        pa.field("sex", pa.string()),
        pa.field("heart_rate", pa.float32()),
        pa.field("axis", pa.float32()),
        pa.field("pr", pa.float32()),
        pa.field("qrs", pa.float32()),
        pa.field("qt", pa.float32()),
        pa.field("statements", pa.list_(pa.string()), nullable=False),
        pa.field("matched_record_id", pa.string(), nullable=False),
        pa.field("experience_id", pa.string(), nullable=False),
        pa.field("experience", pa.string(), nullable=False),
        pa.field("distiller", pa.string(), nullable=False),
        pa.field("neighbours", pa.list_(pa.string()), nullable=False),
        pa.field("similarities", pa.list_(pa.float32()), nullable=False),
        pa.field("confidence", pa.float32()),
        pa.field("exact_similarity", pa.float32()),
        pa.field("meaning_similarity", pa.float32()),
        pa.field("simulator_statement", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        SIGNAL,
    ]
)


class Planned(Protocol):
    """What gives the rows of a dataset."""

    def plan(self, planner: Planner) -> Plan:
        """Its rows."""
        ...


@dataclass(frozen=True)
class Cohort:
    """The conditions of so many records of a split."""

    split: str
    records: int

    def plan(self, planner: Planner) -> Plan:
        """Its rows."""
        return planner.cohort(self.split, self.records)


@dataclass(frozen=True)
class Dataset:
    """All that a worker needs to make a shard.

    Attributes:
        name: of the request, with which ids begin.
        gate: None where records are taken as they come.
        fingerprint: hash of all that the bytes depend on.
        data: folder of the models.
        devices: as torch names them, all of one kind; each process that makes shards has one.
        folder: gets the shards.
        models: see `models_in`.
    """

    name: str
    request: Planned
    sampler: SamplerParams
    gate: GateParams | None
    seed: int
    fingerprint: str
    data: Path
    devices: tuple[str, ...]
    access: EmbeddingAccess
    pseudonyms: Pseudonyms
    folder: Path
    models: str
    rows_a_shard: int = ROWS_PER_GROUP

    def __hash__(self) -> int:
        return hash((self.fingerprint, self.seed, self.folder))

    def shards(self, records: int) -> int:
        """In how many shards it has so many records."""
        return -(-records // self.rows_a_shard)


class Maker:
    """The models and the plan of a dataset, loaded; makes its shards one by one."""

    def __init__(self, dataset: Dataset, generator: EcgGenerator, plan: Plan, gate: Gate | None) -> None:
        self.dataset, self.generator, self.plan, self.gate = dataset, generator, plan, gate

    def shard(self, number: int) -> pa.Table:
        """The rows of a shard."""
        own = self.dataset
        start = number * own.rows_a_shard
        rows = self.plan.rows(start, start + own.rows_a_shard)
        slots = [Slot(own.seed, start + position) for position in range(len(rows))]
        signals = self.generator.make(rows, slots, own.sampler)
        misses: list[list[str]] | None = None
        if self.gate and own.gate:
            slots, signals, misses = self._again(rows, slots, signals, self.gate, own.gate.tries)
        return self._table(rows, slots, signals, misses)

    def _again(
        self, rows: list[RequestRow], slots: list[Slot], signals: NDArray[np.int16], gate: Gate, tries: int
    ) -> tuple[list[Slot], NDArray[np.int16], list[list[str]]]:
        """Make records that miss what was asked for again, each in its own slot."""
        slots, misses = list(slots), gate.misses(rows, signals)
        for attempt in range(1, tries + 1):
            missed = [row for row, of in enumerate(misses) if of]
            if not missed:
                break
            chosen = [rows[row] for row in missed]
            tried = [replace(slots[row], attempt=attempt) for row in missed]
            signals[missed] = self.generator.make(chosen, tried, self.dataset.sampler)
            for row, slot, of in zip(missed, tried, gate.misses(chosen, signals[missed]), strict=True):
                slots[row], misses[row] = slot, of
        return slots, signals, misses

    def _table(
        self, rows: list[RequestRow], slots: list[Slot], signals: NDArray[np.int16], misses: list[list[str]] | None
    ) -> pa.Table:
        own, generator = self.dataset, self.generator
        missed: Sequence[list[str] | None] = [None] * len(rows) if misses is None else misses
        simulated = generator.morphology.statement_of([list(row.statements) for row in rows])
        columns = [
            {
                "record_id": f"{own.name}/{slot.index:06d}",
                "request": own.name,
                "seed": slot.seed,
                "index": slot.index,
                "try": slot.attempt,
                "miss": names,
                "text": row.condition.text,
                "age": row.condition.age,
                "sex": row.condition.sex,
                "heart_rate": row.condition.heart_rate,
                "axis": row.condition.axis,
                **row.intervals._asdict(),
                "statements": list(row.statements),
                "matched_record_id": row.matched_record_id,
                **_rests_on(row),
                "simulator_statement": statement,
                "model": generator.model,
                "fingerprint": own.fingerprint,
            }
            for row, slot, names, statement in zip(rows, slots, missed, simulated, strict=True)
        ]
        table = pa.Table.from_pylist(columns, schema=SCHEMA.remove(len(SCHEMA) - 1))
        return table.append_column(SIGNAL, signal_column(np.asarray(signals)))


def rows_of_shards(records: int, batch_size: int) -> int:
    """Rows of each shard of a dataset: whole batches, and few where it is small, so that many cores have a share.

    Memory and the work that a kill costs grow with them, and the number of files falls.
    """
    least = batch_size * -(-SMALLEST_SHARD // batch_size)
    times = min(-(-records // (least * MANY)), ROWS_PER_GROUP // least)
    return least * max(times, 1)


def synthesize(dataset: Dataset, records: int, runner: Runner) -> None:
    """Make what is not there yet of a dataset whose shards are open.

    Args:
        records: of the whole dataset.

    Raises:
        UserError: the disk is full, or a worker was killed; what is finished is kept.
    """
    size = dataset.rows_a_shard
    left = Shards(dataset.folder).unfinished(dataset.shards(records))
    total = sum(min(size, records - number * size) for number in left)
    portions = (left[start : start + AT_ONCE] for start in range(0, len(left), AT_ONCE))
    made = (count for portion in portions for count in runner(partial(make_shard, dataset), portion))
    for _ in track(made, total, f"synthesis@{dataset.name}: records", amount=int):
        pass


def make_shard(dataset: Dataset, number: int) -> int:
    """Make one shard and say how many records it has; what it takes is loaded once a process.

    Raises:
        UserError: the disk is full, or a stage was run again meanwhile, so that the shard may be of other models.
    """
    table = _loaded(dataset).shard(number)
    if models_in(dataset.data) != dataset.models:
        raise UserError(
            f"What is in {dataset.data} is not what the dataset was begun with, since a stage ran meanwhile: make it "
            "again with --fresh."
        )
    Shards(dataset.folder).write(number, table)
    return len(table)


def models_in(data: Path) -> str:
    """Hash of what the stages that a dataset is made from say of themselves."""
    manifests = [data / stage / "manifest.json" for stage in READ]
    return sha256_json([sha256_file(path) if path.is_file() else "" for path in manifests])


@lru_cache(maxsize=1)
def _loaded(dataset: Dataset) -> Maker:
    torch.set_num_threads(THREADS)
    threadpool_limits(THREADS)  # numpy was loaded before any variable of the environment could say so
    torch.use_deterministic_algorithms(True)
    vocabulary = Vocabulary.load()
    device = torch.device(dataset.devices[worker_number() % len(dataset.devices)])
    generator = EcgGenerator.load(dataset.data, vocabulary, device, dataset.access)
    plan = dataset.request.plan(Planner(dataset.data, vocabulary, dataset.pseudonyms, dataset.seed))
    return Maker(dataset, generator, plan, Gate.load(dataset.gate) if dataset.gate else None)


def metrics(records: Path, seed: int) -> dict[str, Any]:
    """What a dataset's records are, one shard at a time.

    The gate's figures are there where it measured: records by how often they were made again, and what they missed at
    last.
    """
    count, measured = 0, False
    statements, tries, misses = Counter[str](), Counter[str](), Counter[str]()
    for path in shards_of(records):
        rows = read_table(path, ["statements", "try", "miss"])
        count += len(rows)
        statements.update(code for codes in rows["statements"] for code in codes)
        measured |= rows["miss"].null_count() < len(rows)
        tries.update(map(str, rows["try"]))
        misses.update(name for names in rows["miss"].drop_nulls() for name in names)
    found = {"records": count, "seed": seed, "statements": dict(sorted(statements.items()))}
    return found | ({"gate": {"tries": dict(tries), "misses": dict(misses)}} if measured else {})


def _rests_on(row: RequestRow) -> dict[str, Any]:
    """What a record rests on, for whoever checks it: the report, who wrote it, of which patients' records, how like."""
    experience = row.condition.experience
    if experience is None:
        return {"experience_id": "", "experience": "", "distiller": "", "neighbours": [], "similarities": []}
    return {
        "experience_id": experience.experience_id,
        "experience": experience.report.text,
        "distiller": experience.distiller,
        "neighbours": list(experience.neighbours),
        "similarities": list(experience.similarities),
        "confidence": experience.report.confidence,
        "exact_similarity": row.exact_similarity,
        "meaning_similarity": row.meaning_similarity,
    }
