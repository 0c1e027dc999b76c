"""The corpus stage: list what the sources hold, parse each recording once, and assemble shards of records.

All three go through a shard in the order of record ids, a few hundred records at a time, and what must be compared
over the whole corpus (ids, patients, contents) is compared on disk: memory does not grow with the corpus.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sediff.corpus.canaries import plant
from sediff.corpus.describe import LISTED, list_records
from sediff.corpus.listing import Listed, Listing, patient_hash
from sediff.corpus.ondisk import OnDisk
from sediff.corpus.params import CorpusParams, FoldParams
from sediff.corpus.parse import MEASURED, ParseJob, parse_shard, parsed_path
from sediff.corpus.readers import Rejection
from sediff.corpus.summary import summarise
from sediff.errors import UserError
from sediff.exclusions import NOBODY, Exclusions
from sediff.files import replacing, write_json
from sediff.processes import Runner
from sediff.progress import track
from sediff.records import ROWS_PER_GROUP, SIGNAL
from sediff.shares import is_drawn
from sediff.sources import Source
from sediff.vocabulary import Vocabulary

NOT_KEPT = ("path", "suffix", "rate", "gain", "fold")  # columns of the listing that only reading needs
SAID = LISTED.append(pa.field("split", pa.string(), nullable=False))
SCHEMA = pa.schema(
    [
        *(field for field in SAID if field.name not in NOT_KEPT),
        *MEASURED,
        SIGNAL,
    ]
)
REJECTED = pa.schema([(name, pa.string()) for name in Rejection.__dataclass_fields__])


@dataclass(frozen=True)
class Folders:
    """Where a build reads and writes.

    Attributes:
        out: gets the records and what was set aside.
        report: gets metrics and plots.
        work: work in progress of this build alone.
        cache: parsed recordings of exactly this code and these limits of screening.
    """

    out: Path
    report: Path
    work: Path
    cache: Path


def build_corpus(
    params: CorpusParams,
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    folders: Folders,
    runner: Runner,
    exclusions: Exclusions = NOBODY,
) -> str:
    """Read the sources into `out/records/shard-NNNN.parquet` and `out/quarantine.parquet`.

    Recordings that the cache holds, from this or an earlier build, are not read again; the result is that of a build
    from nothing, whatever the runner, the interruptions and what was there before.

    Returns:
        One line that says what is there and what was read.

    Raises:
        UserError: a source's table cannot be read, no record is usable, a patient is in two splits, or a file is not
            the one that was scanned.
    """
    shutil.rmtree(folders.work, ignore_errors=True)
    for left in folders.cache.rglob(".*.parquet"):  # half-written when a build was killed
        left.unlink()
    # Workers of a cluster have folders of their own.
    folders = replace(folders, work=folders.work.resolve(), cache=folders.cache.resolve())
    listing = Listing(folders.work / "listing.sqlite", params.shards)
    headers = folders.cache / "headers.sqlite"
    opened, withdrawn = list_records(sources, vocabulary, params.min_likelihood, listing, headers, exclusions)
    splits = Splits(params.folds, _splits_by_hash(params.folds, listing), params.audit)
    _check_patients(listing, splits)
    roots = {source.name: source.resolved().root for source in sources}
    job = ParseJob(listing, roots, params.screening, folders.cache)
    shards = range(params.shards)
    read = sum(track(runner(partial(parse_shard, job), shards), len(shards), "corpus: shards"))
    doubles = _doubles(listing, splits, folders.cache, shards)
    assembly = Assembly(listing, splits, doubles, folders.cache, params.canaries)
    for shard in shards:
        records = _regrouped(assembly.records(shard))
        if (some := next(records, None)) is not None:
            _write(chain([some], records), SCHEMA, folders.out / "records" / f"shard-{shard:04d}.parquet")
    rejected = (pa.Table.from_pylist(list(map(vars, batch)), schema=REJECTED) for batch in listing.rejected())
    first = next(rejected, REJECTED.empty_table())
    _write(chain([first], rejected), REJECTED, folders.out / "quarantine.parquet")
    if not any((folders.out / "records").glob("*.parquet")):
        reasons = ", ".join(f"{reason} {count}" for reason, count in listing.reasons().items()) or "its table is empty"
        names = ", ".join(source.name for source in sources)
        raise UserError(f"No record of {names} can be used ({reasons}): check the folder.")
    metrics = summarise(folders.out, folders.report) | {"splits_by_hash": list(splits.by_hash), "withdrawn": withdrawn}
    write_json(folders.report / "metrics.json", metrics)
    return _told(metrics, read, opened)


def _told(metrics: dict, read: int, opened: int) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in metrics["splits"].items())
    by_hash = " and ".join(metrics["splits_by_hash"])
    chosen = f" ({by_hash} of training patients by hash, as its folds hold no record)" if by_hash else ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in metrics["quarantine"].items())
    aside = f"{metrics['quarantined']} set aside{f' ({reasons})' if reasons else ''}"
    new = f"{read} read{f', {opened} headers opened' if opened else ''}"
    gone = f", {metrics['withdrawn']} withdrawn" if metrics["withdrawn"] else ""
    return f"{metrics['records']} records of {metrics['patients']} patients, {new}, {aside}{gone}, {splits}{chosen}"


def _splits_by_hash(folds: FoldParams, listing: Listing) -> tuple[str, ...]:
    """The splits whose folds hold no record: they take training patients by hash."""
    found = listing.folds()
    return tuple(split for split in ("validation", "test") if found.isdisjoint(getattr(folds, split)))


@dataclass(frozen=True)
class Splits:
    """Which split a record is in.

    Attributes:
        by_hash: splits that take training patients by hash, since their folds hold no record.
        audit: share of the training patients that are withheld from all training.
    """

    folds: FoldParams
    by_hash: tuple[str, ...]
    audit: float

    def of(self, fold: int | None, patient_id: str) -> str:
        """The split of a record; "" where its fold is in none. A source without folds is split by hash, 8 : 1 : 1."""
        names = ("train", "validation", "test")
        split = "train" if fold is None else next((name for name in names if fold in getattr(self.folds, name)), "")
        place = patient_hash(patient_id) % 10
        chosen = ("validation", "test")[place] if place < 2 else ""
        if chosen and split == "train" and (fold is None or chosen in self.by_hash):
            return chosen
        return "audit" if split == "train" and is_drawn(patient_id, "audit", self.audit) else split


def _check_patients(listing: Listing, splits: Splits) -> None:
    for patient, folds in listing.in_several_folds():
        several = sorted({splits.of(fold, patient) for fold in folds} - {""})
        if len(several) > 1:
            raise UserError(
                f"Patient {patient} has records in the {' and the '.join(several)} folds: mend strat_fold or "
                "corpus.folds, since a patient may be in one split only."
            )


def _with_parsed(
    listing: Listing, shard: int, cache: Path, columns: Sequence[str] | None = None
) -> Iterator[tuple[list[Listed], pa.Table]]:
    """What was listed beside what was parsed of the same records: both are in the order of record ids."""
    with pq.ParquetFile(parsed_path(cache, shard)) as parsed:
        batches = parsed.iter_batches(ROWS_PER_GROUP, columns=columns)
        for listed, batch in zip(listing.of_shard(shard), batches, strict=True):
            table = pa.Table.from_batches([batch])
            assert [one.said["record_id"] for one in listed] == table["record_id"].to_pylist(), "all listed is parsed"
            yield listed, table


def _doubles(listing: Listing, splits: Splits, cache: Path, shards: Iterable[int]) -> OnDisk:
    """Used records whose signal another used record has too, and that record.

    One of a source with folds stays before one without, whose patient may be unknown there; then the first id.
    """
    doubles = OnDisk()
    with closing(sqlite3.connect("")) as used:  # a temporary file, sorted there
        used.execute("CREATE TABLE used (content BLOB, without_fold INTEGER, record_id TEXT)")
        for shard in shards:
            used.executemany("INSERT INTO used VALUES (?, ?, ?)", _contents(listing, splits, shard, cache))
        rows = used.execute("SELECT content, record_id FROM used ORDER BY content, without_fold, record_id")
        last, first = None, ""
        for content, record_id in rows:
            if content == last:
                doubles.add(record_id, first)
            else:
                last, first = content, record_id
    return doubles


def _contents(listing: Listing, splits: Splits, shard: int, cache: Path) -> Iterator[tuple[bytes, bool, str]]:
    for listed, parsed in _with_parsed(listing, shard, cache, ["record_id", "content"]):
        for one, content in zip(listed, parsed["content"].to_pylist(), strict=True):
            fold = one.said["fold"]
            if content is not None and splits.of(fold, one.said["patient_id"]):
                yield content, fold is None, one.said["record_id"]


@dataclass(frozen=True)
class Assembly:
    """Joins what was listed and what was parsed.

    Attributes:
        doubles: records that are set aside as copies, and of which.
        canaries: share of the training patients whose recordings run backwards.
    """

    listing: Listing
    splits: Splits
    doubles: OnDisk
    cache: Path
    canaries: float

    def records(self, shard: int) -> Iterator[pa.Table]:
        """The shard's rows of `SCHEMA` that can be used; the others are added to what the listing sets aside."""
        for listed, parsed in _with_parsed(self.listing, shard, self.cache):
            splits = [self.splits.of(one.said["fold"], one.said["patient_id"]) for one in listed]
            found = zip(parsed["reason"].to_pylist(), parsed["detail"].to_pylist(), strict=True)
            rejections = [self._rejection(*row) for row in zip(listed, splits, found, strict=True)]
            self.listing.reject(filter(None, rejections))
            usable = pa.array([rejection is None for rejection in rejections], pa.bool_())
            said = [one.said | {"split": split} for one, split in zip(listed, splits, strict=True)]
            kept = _joined(pa.Table.from_pylist(said, schema=SAID), parsed).filter(usable).cast(SCHEMA)
            yield plant(kept, self._planted(kept))

    def _planted(self, records: pa.Table) -> list[int]:
        """Rows of the canaries."""
        pairs = zip(records["split"].to_pylist(), records["patient_id"].to_pylist(), strict=True)
        return [
            row
            for row, (split, patient) in enumerate(pairs)
            if split == "train" and is_drawn(patient, "canary", self.canaries)
        ]

    def _rejection(self, listed: Listed, split: str, found: tuple[str | None, str | None]) -> Rejection | None:
        source, record_id, path, fold = (listed.said[name] for name in ("source", "record_id", "path", "fold"))
        reason, detail = found
        if not split:
            reason, detail = "fold_not_used", f"fold {fold} stands in no split of corpus.folds"
        elif first := self.doubles.get(record_id):
            reason, detail = "duplicate", f"same signal as {first}"
        return None if reason is None else Rejection(source, record_id, path, reason, detail or "")


def _joined(listed: pa.Table, parsed: pa.Table) -> pa.Table:
    return pa.table({name: (listed if name in SAID.names else parsed)[name] for name in SCHEMA.names})


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


def _write(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> None:
    """Write tables of `ROWS_PER_GROUP` rows, one a row group."""
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
