"""What the sources say of their records, in the project's statements, spread over shards by a hash of the patient.

Records stream from the readers to small files, so memory does not grow with the corpus.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa

from sediff.corpus.readers import READERS, RawRecord, Rejection
from sediff.language import detect_language
from sediff.records import write_table
from sediff.sources import Source, check_unchanged, hashes_of
from sediff.vocabulary import Vocabulary

BUFFERED = 20_000  # rows held before they are written
LISTED = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("suffix", pa.string(), nullable=False),
        pa.field("rate", pa.float64()),
        pa.field("gain", pa.float64()),
        pa.field("recorded_at", pa.string(), nullable=False),
        pa.field("fold", pa.int64()),
        pa.field("age", pa.float32()),
        pa.field("sex", pa.string()),
        pa.field("statements", pa.list_(pa.string()), nullable=False),
        pa.field("likelihoods", pa.list_(pa.float32()), nullable=False),
        pa.field("uncertain", pa.list_(pa.string()), nullable=False),
        pa.field("unmapped", pa.list_(pa.string()), nullable=False),
        pa.field("report", pa.string(), nullable=False),
        pa.field("original_report", pa.string(), nullable=False),
        pa.field("report_language", pa.string(), nullable=False),
        pa.field("human_validated", pa.bool_(), nullable=False),
    ]
)
REJECTED = pa.schema([(name, pa.string()) for name in Rejection.__dataclass_fields__])


@dataclass
class Listing:
    """Listed records on disk, in a folder for each shard, and what was counted on the way."""

    folder: Path
    folds: Counter[int | None] = field(default_factory=Counter)

    def of_shard(self, shard: int) -> pl.DataFrame:
        """The records of one shard by their id; `LISTED`'s columns."""
        return self._read(_shard_name(shard), LISTED).sort("record_id")

    def rejected(self) -> pl.DataFrame:
        """What a table's row kept from being a record."""
        return self._read("rejected", REJECTED)

    def _read(self, name: str, schema: pa.Schema) -> pl.DataFrame:
        parts = sorted((self.folder / name).glob("*.parquet"))
        return pl.read_parquet(parts) if parts else pl.DataFrame(pl.from_arrow(schema.empty_table()))


def list_records(
    sources: Sequence[Source], vocabulary: Vocabulary, min_likelihood: float, shards: int, folder: Path
) -> Listing:
    """Stream all sources' records into `folder`, which must be empty.

    Args:
        min_likelihood: percent from which on an SCP statement is present; below it is uncertain.

    Raises:
        UserError: a source's table cannot be read or changed since it was scanned.
    """
    listing, buffers = Listing(folder), _Buffers(folder)
    for source in sources:
        reader = READERS[source.reader]
        check_unchanged(source, hashes_of(source, reader.tables), reader.tables)
        for entry in reader(source.name, source.root).records():
            if isinstance(entry, Rejection):
                buffers.add("rejected", asdict(entry))
                continue
            listing.folds[entry.fold] += 1
            shard = patient_hash(entry.patient_id) % shards
            buffers.add(_shard_name(shard), _row(entry, vocabulary, min_likelihood))
    buffers.flush()
    return listing


def patient_hash(patient_id: str) -> int:
    """A number that depends on the patient's id alone: it chooses shards and, without folds, splits."""
    return int.from_bytes(hashlib.sha256(patient_id.encode()).digest()[:8], "big")


class _Buffers:
    """Rows by the name of the folder that they go to; all are written when there are many."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.count, self.part = folder, dict[str, list[dict]](), 0, 0

    def add(self, name: str, row: dict) -> None:
        self.rows.setdefault(name, []).append(row)
        self.count += 1
        if self.count >= BUFFERED:
            self.flush()

    def flush(self) -> None:
        for name, rows in self.rows.items():
            schema = REJECTED if name == "rejected" else LISTED
            write_table(pa.Table.from_pylist(rows, schema=schema), self.folder / name / f"{self.part:06d}.parquet")
        self.rows, self.count, self.part = {}, 0, self.part + 1


def _row(record: RawRecord, vocabulary: Vocabulary, min_likelihood: float) -> dict:
    """One record as a row of `LISTED`: what any of its codes and lines says is present, possible or not understood."""
    present: dict[str, float] = {}
    uncertain: set[str] = set()
    unmapped: list[str] = []
    coded = record.scp or record.snomed or record.lines
    for reading in (
        vocabulary.from_codes(record.scp, min_likelihood),
        vocabulary.from_snomed(record.snomed),
        vocabulary.from_text(record.lines if coded else record.report),
    ):
        present = {code: reading.statements[code].likelihood for code in reading.codes("present")} | present
        uncertain |= set(reading.codes("uncertain"))
        unmapped += reading.unmapped
    codes, possible = sorted(present), sorted(uncertain - set(present))
    axis = record.axis if vocabulary.knows_axis(record.axis) else ""
    stages = tuple(stage for stage in record.stages if vocabulary.knows_stage(stage))
    unmapped += [word for word in (record.axis, *record.stages) if word and word not in (axis, *stages)]
    return {
        "record_id": record.record_id,
        "patient_id": record.patient_id,
        "source": record.source,
        "path": record.path.as_posix(),
        "suffix": record.suffix,
        "rate": record.rate,
        "gain": record.gain,
        "recorded_at": record.recorded_at,
        "fold": record.fold,
        "age": record.age,
        "sex": record.sex,
        "statements": codes,
        "likelihoods": [present[code] for code in codes],
        "uncertain": possible,
        "unmapped": sorted(set(unmapped)),
        "report": vocabulary.describe(codes, possible, axis, stages),
        "original_report": record.report or "\n".join(record.lines),
        "report_language": detect_language(record.report or "\n".join(record.lines)),
        "human_validated": record.human_validated,
    }


def shard_rows(listed: pl.DataFrame) -> Iterator[RawRecord]:
    """Rows of a listing as records that can be read; what they say is not needed for that."""
    columns = ("record_id", "patient_id", "source", "path", "suffix", "rate", "gain")
    for row in listed.select(columns).iter_rows(named=True):
        yield RawRecord(**{**row, "path": Path(row["path"])})


def _shard_name(shard: int) -> str:
    return f"shard-{shard:04d}"
