"""The corpus stage: read every source, screen each recording, write shards of records."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sediff.beats import find_r_peaks, heart_rate, median_beat, rmssd
from sediff.corpus.params import CorpusParams, FoldParams
from sediff.corpus.readers import READERS, RawRecord, Rejection
from sediff.corpus.summary import summarise
from sediff.corpus.waveform import UnusableError, read_waveform
from sediff.ecg import INDEPENDENT_LEADS, independent_leads, to_millivolts
from sediff.errors import UserError
from sediff.files import read_json, replacing, write_json
from sediff.processes import die_with_parent
from sediff.progress import track
from sediff.records import SIGNAL, signal_column, write_table
from sediff.sources import Source, check_unchanged, inventory_hashes
from sediff.vocabulary import Vocabulary

SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("recorded_at", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("age", pa.float32()),
        pa.field("sex", pa.string()),
        pa.field("statements", pa.list_(pa.string()), nullable=False),
        pa.field("likelihoods", pa.list_(pa.float32()), nullable=False),
        pa.field("unmapped", pa.list_(pa.string()), nullable=False),
        pa.field("report", pa.string(), nullable=False),
        pa.field("original_report", pa.string(), nullable=False),
        pa.field("human_validated", pa.bool_(), nullable=False),
        pa.field("heart_rate", pa.float32()),
        pa.field("rmssd", pa.float32()),
        pa.field("r_peaks", pa.list_(pa.float32()), nullable=False),
        pa.field("amplitudes", pa.list_(pa.float32()), nullable=False),
        SIGNAL,
    ]
)
QUARANTINE = pa.schema([(name, pa.string()) for name in Rejection.__dataclass_fields__])


@dataclass(frozen=True)
class Shard:
    """The recordings of one shard and what is needed to read them."""

    number: int
    records: tuple[RawRecord, ...]
    splits: dict[str, str]
    sources: dict[str, Source]
    hashes: dict[str, dict[str, str]]


def build_corpus(
    params: CorpusParams,
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    out: Path,
    report: Path,
    work: Path,
    workers: int = 1,
) -> str:
    """Read the sources into `out/records/shard-NNN.parquet` and `out/quarantine.parquet`.

    Finished shards wait in `work`, so an interrupted build goes on where it stopped. The result does
    not depend on the number of workers.

    Raises:
        UserError: a source's table cannot be read, no record is usable, or a patient is in two splits.
    """
    listed, rejected, hashes = _list_records(sources)
    splits, by_hash = _splits(params.folds, listed)
    shards = _shards(params.shards, listed, splits, {source.name: source for source in sources}, hashes)
    work.mkdir(parents=True, exist_ok=True)
    _build_shards(shards, params, vocabulary, work, workers)

    (out / "records").mkdir(parents=True, exist_ok=True)
    for shard in shards:
        source_file = work / _shard_name(shard.number)
        if pq.read_metadata(source_file).num_rows:
            _copy(source_file, out / "records" / source_file.name)
        rejected += _read_rejections(work / _rejections_name(shard.number))
    rejected += _drop_duplicates(out / "records")
    if not any((out / "records").iterdir()):
        reasons = ", ".join(f"{reason} {count}" for reason, count in Counter(r.reason for r in rejected).most_common())
        names = ", ".join(source.name for source in sources)
        raise UserError(f"No record of {names} can be used ({reasons or 'its table is empty'}): check the folder.")
    rows = sorted((asdict(rejection) for rejection in rejected), key=lambda row: (row["record_id"], row["reason"]))
    write_table(pa.Table.from_pylist(rows, schema=QUARANTINE), out / "quarantine.parquet")
    metrics = summarise(out, report) | {"splits_by_hash": by_hash}
    write_json(report / "metrics.json", metrics)
    told = ", ".join(f"{count} {split}" for split, count in metrics["splits"].items())
    chosen = f" ({' and '.join(by_hash)} of training patients by hash, as its folds hold no record)" if by_hash else ""
    return (
        f"{metrics['records']} records of {metrics['patients']} patients, {metrics['quarantined']} set aside, "
        f"{told}{chosen}"
    )


def _list_records(
    sources: Sequence[Source],
) -> tuple[list[RawRecord], list[Rejection], dict[str, dict[str, str]]]:
    listed: list[RawRecord] = []
    rejected: list[Rejection] = []
    hashes: dict[str, dict[str, str]] = {}
    for source in sources:
        hashes[source.name] = inventory_hashes(source)
        check_unchanged(source, hashes[source.name], READERS[source.reader].tables)
        records, rejections = READERS[source.reader](source.name, source.root).records()
        listed += records
        rejected += rejections
    return listed, rejected, hashes


def patient_hash(patient_id: str) -> int:
    """A number that depends on the patient's id alone: it chooses shards and, without folds, splits."""
    return int.from_bytes(hashlib.sha256(patient_id.encode()).digest()[:8], "big")


def _splits(folds: FoldParams, records: Sequence[RawRecord]) -> tuple[dict[str, str], list[str]]:
    """Split of each record that has one, and the splits without any, which take training patients by hash."""
    by_fold = {fold: split for split in ("train", "validation", "test") for fold in getattr(folds, split)}
    splits = {r.record_id: "train" if r.fold is None else by_fold.get(r.fold, "") for r in records}
    by_hash = [split for split in ("validation", "test") if split not in splits.values()]
    for split, remainder in (("validation", 0), ("test", 1)):
        if split in by_hash:
            for record in records:
                if splits[record.record_id] == "train" and patient_hash(record.patient_id) % 10 == remainder:
                    splits[record.record_id] = split
    of_patient: dict[str, str] = {}
    for record in records:
        split = splits[record.record_id]
        if split and of_patient.setdefault(record.patient_id, split) != split:
            raise UserError(
                f"Patient {record.patient_id} has records in the {split} and the {of_patient[record.patient_id]} "
                "folds: mend strat_fold or corpus.folds, since a patient may be in one split only."
            )
    return splits, by_hash


def _shards(
    count: int,
    records: Iterable[RawRecord],
    splits: dict[str, str],
    sources: dict[str, Source],
    hashes: dict[str, dict[str, str]],
) -> list[Shard]:
    groups: list[list[RawRecord]] = [[] for _ in range(count)]
    for record in records:
        groups[patient_hash(record.patient_id) % count].append(record)
    return [
        Shard(
            number,
            tuple(sorted(group, key=lambda record: record.record_id)),
            {record.record_id: splits[record.record_id] for record in group},
            sources,
            {name: _hashes_of(group, name, files) for name, files in hashes.items()},
        )
        for number, group in enumerate(groups)
    ]


def _hashes_of(records: Iterable[RawRecord], source: str, files: dict[str, str]) -> dict[str, str]:
    names = (f"{r.path.as_posix()}{suffix}" for r in records if r.source == source for suffix in (".hea", ".dat"))
    return {name: files[name] for name in names if name in files}


def _build_shards(
    shards: Sequence[Shard], params: CorpusParams, vocabulary: Vocabulary, work: Path, workers: int
) -> None:
    missing = [shard for shard in shards if not (work / _rejections_name(shard.number)).exists()]
    if workers == 1 or len(missing) < 2:
        for shard in track(missing, len(missing), "corpus: shards"):
            _build_shard(shard, params, vocabulary, work)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), die_with_parent) as pool:
        futures = [pool.submit(_build_shard, shard, params, vocabulary, work) for shard in missing]
        for future in track(futures, len(missing), "corpus: shards"):
            future.result()


def _build_shard(shard: Shard, params: CorpusParams, vocabulary: Vocabulary, work: Path) -> None:
    """Write one shard, then its rejections: the second file says that the first is whole."""
    kept, signals, rejected = [], [], []
    for record in shard.records:
        try:
            signals.append(_read(record, shard, params))
            kept.append(record)
        except UnusableError as unusable:
            rejected.append(_reject(record, unusable))
    rows = _rows(kept, signals, shard.splits, params, vocabulary)
    usable = np.array([len(row["r_peaks"]) >= params.screening.min_beats for row in rows], bool)
    for record, enough in zip(kept, usable, strict=True):
        if not enough:
            rejected.append(_reject(record, UnusableError("few_beats", "fewer R peaks than screening.min_beats")))
    rows = [row for row, enough in zip(rows, usable, strict=True) if enough]
    table = pa.Table.from_pylist(rows, schema=SCHEMA.remove(len(SCHEMA) - 1))
    table = table.append_column(
        SIGNAL, signal_column(np.array(signals, np.int16)[usable]) if signals else _no_signals()
    )
    write_table(table, work / _shard_name(shard.number))
    write_json(work / _rejections_name(shard.number), [asdict(rejection) for rejection in rejected])


def _read(record: RawRecord, shard: Shard, params: CorpusParams) -> NDArray[np.int16]:
    if not shard.splits[record.record_id]:
        raise UnusableError("fold_not_used", f"fold {record.fold} stands in no split of corpus.folds")
    hashes = shard.hashes[record.source]
    return read_waveform(shard.sources[record.source].root, record.path, hashes, params.screening)


def _reject(record: RawRecord, unusable: UnusableError) -> Rejection:
    return Rejection(record.source, record.record_id, record.path.as_posix(), unusable.reason, unusable.detail)


def _rows(
    records: Sequence[RawRecord],
    signals: Sequence[NDArray[np.int16]],
    splits: dict[str, str],
    params: CorpusParams,
    vocabulary: Vocabulary,
) -> list[dict]:
    if not records:
        return []
    millivolts = to_millivolts(np.stack(signals))
    rows = []
    for record, signal, peaks in zip(records, millivolts, find_r_peaks(millivolts), strict=True):
        present = {
            code: likelihood
            for code, likelihood in record.statements.items()
            if likelihood == 0 or likelihood >= params.min_likelihood
        }
        known = {code: likelihood for code, likelihood in present.items() if vocabulary.known(code)}
        rate, variability = heart_rate(peaks), rmssd(peaks)
        rows.append(
            {
                "record_id": record.record_id,
                "patient_id": record.patient_id,
                "source": record.source,
                "recorded_at": record.recorded_at,
                "split": splits[record.record_id],
                "age": record.age,
                "sex": record.sex,
                "statements": sorted(known),
                "likelihoods": [known[code] for code in sorted(known)],
                "unmapped": sorted(set(present) - set(known)),
                "report": vocabulary.describe(sorted(known)),
                "original_report": record.report,
                "human_validated": record.human_validated,
                "heart_rate": None if np.isnan(rate) else rate,
                "rmssd": None if np.isnan(variability) else variability,
                "r_peaks": peaks.tolist(),
                "amplitudes": _amplitudes(signal, peaks),
            }
        )
    return rows


def _amplitudes(signal: NDArray[np.float32], peaks: NDArray[np.float64]) -> list[float]:
    """Peak-to-peak of the median beat in each independent lead, mV; empty where no beat is complete."""
    beat = median_beat(independent_leads(signal), peaks)
    return np.ptp(beat, axis=-1).tolist() if np.isfinite(beat).all() else [float("nan")] * len(INDEPENDENT_LEADS)


def _drop_duplicates(folder: Path) -> list[Rejection]:
    """Set aside recordings whose signal another record has too; the one with the first id stays."""
    digests: list[tuple[str, bytes]] = []
    paths = sorted(folder.glob("*.parquet"))
    for path in paths:
        table = pq.read_table(path, columns=["record_id", "signal"])
        for row_id, signal in zip(table["record_id"].to_pylist(), table["signal"].to_pylist(), strict=True):
            digests.append((row_id, hashlib.sha256(signal).digest()))
    first: dict[bytes, str] = {}
    doubles = {
        row_id: first[digest] for row_id, digest in sorted(digests) if first.setdefault(digest, row_id) != row_id
    }
    for path in paths if doubles else ():
        table = pq.read_table(path)
        keep = [row_id not in doubles for row_id in table["record_id"].to_pylist()]
        if not all(keep):
            write_table(table.filter(pa.array(keep)), path)
    return [
        Rejection(row_id.split("/")[0], row_id, "", "duplicate", f"same signal as {original}")
        for row_id, original in sorted(doubles.items())
    ]


def _read_rejections(path: Path) -> list[Rejection]:
    return [Rejection(**row) for row in read_json(path)]


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(source.read_bytes())


def _no_signals() -> pa.Array:
    return pa.array([], SIGNAL.type)


def _shard_name(number: int) -> str:
    return f"shard-{number:03d}.parquet"


def _rejections_name(number: int) -> str:
    return f"shard-{number:03d}.rejected.json"
