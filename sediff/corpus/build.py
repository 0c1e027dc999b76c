"""The corpus stage: list what the sources hold, parse each recording once, and assemble shards of records."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sediff.corpus.listing import LISTED, REJECTED, Listing, list_records, patient_hash
from sediff.corpus.params import CorpusParams, FoldParams
from sediff.corpus.parse import MEASURED, ParseJob, parse_shard, parsed_path
from sediff.corpus.summary import summarise
from sediff.errors import UserError
from sediff.files import replacing, write_json
from sediff.processes import die_with_parent
from sediff.progress import track
from sediff.records import ROWS_PER_GROUP, SIGNAL, write_table
from sediff.sources import Source
from sediff.vocabulary import Vocabulary

NOT_KEPT = ("path", "suffix", "rate", "gain", "fold")  # columns of the listing that only reading needs
SCHEMA = pa.schema(
    [
        *(field for field in LISTED if field.name not in NOT_KEPT),
        pa.field("split", pa.string(), nullable=False),
        *MEASURED,
        SIGNAL,
    ]
)
# Calls a function for each shard, here or elsewhere, in any order, and gives the results as they come.
Runner = Callable[[Callable[[int], int], Sequence[int]], Iterable[int]]


def in_processes(workers: int) -> Runner:
    """A runner on this machine, in as many processes."""

    def run(function: Callable[[int], int], shards: Sequence[int]) -> Iterator[int]:
        if workers == 1 or len(shards) < 2:
            yield from map(function, shards)
            return
        with ProcessPoolExecutor(workers, get_context("spawn"), die_with_parent) as pool:
            yield from (future.result() for future in [pool.submit(function, shard) for shard in shards])

    return run


def build_corpus(
    params: CorpusParams,
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    out: Path,
    report: Path,
    work: Path,
    cache: Path,
    runner: Runner,
) -> str:
    """Read the sources into `out/records/shard-NNNN.parquet` and `out/quarantine.parquet`.

    Recordings that `cache` holds, from this or an earlier build, are not read again; the result is that of a build
    from nothing, whatever the runner, the interruptions and what was there before.

    Args:
        cache: parsed recordings of exactly this code and these limits of screening.

    Raises:
        UserError: a source's table cannot be read, no record is usable, or a patient is in two splits.
    """
    shutil.rmtree(work, ignore_errors=True)
    for left in cache.glob(".*.parquet"):  # half-written when a build was killed
        left.unlink()
    work, cache = work.resolve(), cache.resolve()  # workers of a cluster have folders of their own
    listing = list_records(sources, vocabulary, params.min_likelihood, params.shards, work / "listing")
    by_hash = _splits_by_hash(params.folds, listing)
    job = ParseJob(listing, {source.name: source.resolved() for source in sources}, params.screening, cache)
    shards = range(params.shards)
    read = sum(track(runner(partial(parse_shard, job), shards), len(shards), "corpus: shards"))
    doubles = _doubles(listing, params.folds, by_hash, cache, shards)
    quarantine = [listing.rejected()]
    for shard in shards:
        quarantine.append(_assemble(shard, listing, params.folds, by_hash, doubles, cache, out / "records"))
    rejected = pl.concat(quarantine).sort("record_id", "reason")
    write_table(rejected.to_arrow().cast(REJECTED), out / "quarantine.parquet")
    if not any((out / "records").glob("*.parquet")):
        counts = rejected["reason"].value_counts(sort=True).rows()
        reasons = ", ".join(f"{reason} {count}" for reason, count in counts) or "its table is empty"
        names = ", ".join(source.name for source in sources)
        raise UserError(f"No record of {names} can be used ({reasons}): check the folder.")
    metrics = summarise(out, report) | {"splits_by_hash": by_hash}
    write_json(report / "metrics.json", metrics)
    return _told(metrics, read)


def _told(metrics: dict, read: int) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in metrics["splits"].items())
    by_hash = " and ".join(metrics["splits_by_hash"])
    chosen = f" ({by_hash} of training patients by hash, as its folds hold no record)" if by_hash else ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in metrics["quarantine"].items())
    aside = f"{metrics['quarantined']} set aside{f' ({reasons})' if reasons else ''}"
    return f"{metrics['records']} records of {metrics['patients']} patients, {read} read, {aside}, {splits}{chosen}"


def _splits_by_hash(folds: FoldParams, listing: Listing) -> list[str]:
    """The splits whose folds hold no record: they take training patients by hash."""
    return [split for split in ("validation", "test") if not any(listing.folds[f] for f in getattr(folds, split))]


def _split(fold: int | None, patient_id: str, folds: FoldParams, by_hash: Sequence[str]) -> str:
    """The split of a record; "" where its fold is in none. A source without folds is split by hash, 8 : 1 : 1."""
    names = ("train", "validation", "test")
    split = "train" if fold is None else next((name for name in names if fold in getattr(folds, name)), "")
    place = patient_hash(patient_id) % 10
    chosen = ("validation", "test")[place] if place < 2 else ""
    return chosen if chosen and split == "train" and (fold is None or chosen in by_hash) else split


def _doubles(
    listing: Listing, folds: FoldParams, by_hash: Sequence[str], cache: Path, shards: Sequence[int]
) -> dict[str, str]:
    """Used records whose signal another used record has too, and that record.

    One of a source with folds stays before one without, whose patient may be unknown there; then the first id.
    """
    tables = []
    for shard in shards:
        listed = _with_splits(listing.of_shard(shard), folds, by_hash).filter(pl.col("split") != "")
        parsed = pl.read_parquet(parsed_path(cache, shard), columns=["record_id", "content"])
        placed = listed.select("record_id", without_fold=pl.col("fold").is_null())
        tables.append(placed.join(parsed.filter(pl.col("content").is_not_null()), on="record_id"))
    used = pl.concat(tables).sort("without_fold", "record_id")
    first = used.group_by("content", maintain_order=True).agg(pl.col("record_id").first().alias("first"))
    double = used.filter(pl.col("content").is_duplicated()).join(first, on="content")
    return dict(double.filter(pl.col("record_id") != pl.col("first")).select("record_id", "first").rows())


def _with_splits(listed: pl.DataFrame, folds: FoldParams, by_hash: Sequence[str]) -> pl.DataFrame:
    pairs = zip(listed["fold"], listed["patient_id"], strict=True)
    splits = [_split(fold, patient, folds, by_hash) for fold, patient in pairs]
    return listed.with_columns(split=pl.Series(splits, dtype=pl.String))


def _assemble(
    shard: int,
    listing: Listing,
    folds: FoldParams,
    by_hash: Sequence[str],
    doubles: dict[str, str],
    cache: Path,
    out: Path,
) -> pl.DataFrame:
    """Join what was listed and what was parsed into one shard of records; gives what is set aside."""
    listed = _with_splits(listing.of_shard(shard), folds, by_hash)
    _check_patients(listed)
    parsed = pl.read_parquet(parsed_path(cache, shard), columns=["record_id", "reason", "detail"])
    judged = listed.join(parsed, on="record_id", how="left", maintain_order="left").with_columns(
        first=pl.col("record_id").replace_strict(doubles, default=None, return_dtype=pl.String)
    )
    judged = judged.with_columns(
        reason=pl.when(pl.col("split") == "").then(pl.lit("fold_not_used"))
        .when(pl.col("first").is_not_null()).then(pl.lit("duplicate")).otherwise("reason"),
        detail=pl.when(pl.col("split") == "")
        .then(pl.format("fold {} stands in no split of corpus.folds", "fold"))
        .when(pl.col("first").is_not_null()).then(pl.format("same signal as {}", "first")).otherwise("detail"),
    )  # fmt: skip
    usable = judged.filter(pl.col("reason").is_null())
    if len(usable):
        rows = _joined(usable.to_arrow(), parsed_path(cache, shard))
        _write(_regrouped(rows), out / f"shard-{shard:04d}.parquet")
    return judged.filter(pl.col("reason").is_not_null()).select(REJECTED.names)


def _check_patients(listed: pl.DataFrame) -> None:
    used = listed.filter(pl.col("split") != "")
    several = used.group_by("patient_id").agg(pl.col("split").unique().sort()).filter(pl.col("split").list.len() > 1)
    for patient, splits in several.sort("patient_id").rows():
        raise UserError(
            f"Patient {patient} has records in the {' and the '.join(splits)} folds: mend strat_fold or corpus.folds, "
            "since a patient may be in one split only."
        )


def _joined(usable: pa.Table, parsed: Path) -> Iterator[pa.Table]:
    """Rows of `SCHEMA`: both sides are in the order of record ids, and all that is usable is among the parsed."""
    names, done = set(usable["record_id"].to_pylist()), 0
    for batch in pq.ParquetFile(parsed).iter_batches(ROWS_PER_GROUP):
        table = pa.Table.from_batches([batch])
        table = table.filter(pa.array([name in names for name in table["record_id"].to_pylist()]))
        listed = usable.slice(done, len(table))
        done += len(table)
        assert listed["record_id"].to_pylist() == table["record_id"].to_pylist(), "both are sorted by record id"
        sides = {name: (listed if name in listed.column_names else table)[name] for name in SCHEMA.names}
        yield pa.table(sides).cast(SCHEMA)


def _regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROWS_PER_GROUP`, the last of what is left."""
    waiting = SCHEMA.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while len(waiting) >= ROWS_PER_GROUP:
            yield waiting.slice(0, ROWS_PER_GROUP)
            waiting = waiting.slice(ROWS_PER_GROUP)
    if len(waiting):
        yield waiting


def _write(tables: Iterable[pa.Table], path: Path) -> None:
    with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
