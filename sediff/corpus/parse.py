"""Reading, screening and measuring recordings, one shard at a time.

What is parsed is kept beside the pipeline's outs, by the hashes of each recording's files: a recording that is known
is not read again. Recordings go through `ROWS_PER_GROUP` at a time, and each such part is kept until its shard is
whole, so that a kill costs no more.
"""

import errno
import hashlib
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sediff.beats import find_r_peaks, heart_rate, median_beat, rmssd
from sediff.corpus.grid import on_grid
from sediff.corpus.listing import Listed, Listing
from sediff.corpus.params import ScreeningParams
from sediff.corpus.screening import UnusableError
from sediff.corpus.waveform import read_waveform
from sediff.delineation import delineate, measure
from sediff.ecg import SAMPLES, SAMPLING_RATE, independent_leads, to_microvolts, to_millivolts
from sediff.errors import UserError
from sediff.files import replacing
from sediff.records import ROWS_PER_GROUP, SIGNAL_BYTES, write_table

TIMES = ("p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_offset")
INTERVALS = ("pr", "qrs_duration", "qt", "qtcf", "axis")
LEADS_MEASURED = ("st", "p_amplitudes", "r_amplitudes", "s_amplitudes", "t_amplitudes")
NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)
DAMAGED = (pa.ArrowException, OSError)  # what a damaged file of parsed recordings raises
NOT_AS_SCANNED = ("changed_file", "missing_file")
FLOATS = pa.list_(pa.float32())
MEASURED = pa.schema(
    [
        pa.field("repairs", pa.list_(pa.string())),
        pa.field("heart_rate", pa.float32()),
        pa.field("rmssd", pa.float32()),
        *(pa.field(name, pa.float32()) for name in INTERVALS),
        pa.field("r_peaks", FLOATS),
        *(pa.field(f"{name}s", FLOATS) for name in TIMES),
        pa.field("beat_kinds", pa.list_(pa.string())),
        *(pa.field(name, FLOATS) for name in LEADS_MEASURED),
        pa.field("amplitudes", FLOATS),
    ]
)
PARSED = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("content", pa.binary(32)),
        *MEASURED,
        pa.field("signal", pa.binary(SIGNAL_BYTES)),
    ]
)


@dataclass(frozen=True)
class ParseJob:
    """All that parsing a shard needs; it travels to other processes and machines.

    Attributes:
        roots: folder of each source.
        cache: folder of what was parsed by this code under these limits.
    """

    listing: Listing
    roots: dict[str, Path]
    limits: ScreeningParams
    cache: Path


def parsed_path(cache: Path, shard: int) -> Path:
    """Where a shard's parsed recordings are kept."""
    return cache / f"shard-{shard:04d}.parquet"


def parse_shard(job: ParseJob, shard: int) -> int:
    """Bring a shard's parsed recordings up to date: `PARSED` rows by record id. Returns how many were read."""
    path, parts = parsed_path(job.cache, shard), job.cache / "parts" / f"{shard:04d}"
    try:
        return _parse_shard(job, shard, path, parts)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise UserError(f"{job.cache} cannot be written ({error.strerror}): make room and run again.") from None
        if not (path.exists() or parts.exists()):
            raise
        path.unlink(missing_ok=True)
        shutil.rmtree(parts, ignore_errors=True)
        return _parse_shard(job, shard, path, parts)


def _parse_shard(job: ParseJob, shard: int, path: Path, parts: Path) -> int:
    if path.exists() and _is_current(path, job.listing, shard):
        return 0
    read = 0
    with (
        closing(_Known(path)) as known,
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, PARSED, compression="zstd", write_page_checksum=True) as writer,
    ):
        for number, batch in enumerate(job.listing.of_shard(shard)):
            table, new = _parse_batch(job, batch, known, parts / f"{number:06d}.parquet")
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
            read += new
    shutil.rmtree(parts, ignore_errors=True)
    return read


def _parse_batch(job: ParseJob, batch: list[Listed], known: "_Known", part: Path) -> tuple[pa.Table, int]:
    """`PARSED` rows of a batch, and how many of them were read: neither those known nor those of a killed build."""
    keys = {listed.said["record_id"]: parsed_key(listed) for listed in batch}
    if part.exists():
        table = pq.read_table(part, schema=PARSED)
        if _ids_and_keys(table) == list(keys.items()):
            return table, 0
    table = known.take(keys)
    there = set(table["record_id"].to_pylist())
    rows = [_parse(one, keys[one.said["record_id"]], job) for one in batch if one.said["record_id"] not in there]
    if rows:
        read = pa.Table.from_pylist(rows, schema=PARSED)
        table = pa.concat_tables([table, read]).sort_by("record_id").combine_chunks()
        write_table(table, part)
    return table, len(rows)


def _is_current(path: Path, listing: Listing, shard: int) -> bool:
    """Whether exactly what is listed was parsed; if so every page is read, whose checksum tells whether it is whole."""
    parsed = pq.ParquetFile(path).iter_batches(ROWS_PER_GROUP, columns=["record_id", "key"])
    listed = ((one.said["record_id"], parsed_key(one)) for batch in listing.of_shard(shard) for one in batch)
    if any(one != other for one, other in zip_longest(chain.from_iterable(map(_ids_and_keys, parsed)), listed)):
        return False
    for _ in pq.ParquetFile(path, page_checksum_verification=True).iter_batches(ROWS_PER_GROUP):
        pass
    return True


def _ids_and_keys(rows: pa.Table | pa.RecordBatch) -> list[tuple[str, str]]:
    return list(zip(rows["record_id"].to_pylist(), rows["key"].to_pylist(), strict=True))


class _Known:
    """Rows of an earlier parse, which are asked for in their own order, that of record ids."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, page_checksum_verification=True) if path.exists() else None
        self._batches: Iterator[pa.RecordBatch] = self._file.iter_batches(ROWS_PER_GROUP) if self._file else iter(())
        self._waiting = PARSED.empty_table()

    def take(self, keys: Mapping[str, str]) -> pa.Table:
        """The rows of these records, sorted by id, whose files have not changed; all before them is passed over."""
        last, found = max(keys), [PARSED.empty_table()]
        while True:
            if not len(self._waiting):
                batch = next(self._batches, None)
                if batch is None:
                    return pa.concat_tables(found)
                self._waiting = pa.Table.from_batches([batch]).cast(PARSED)
            pairs = _ids_and_keys(self._waiting)
            found.append(self._waiting.filter(pa.array([keys.get(name) == key for name, key in pairs], pa.bool_())))
            self._waiting = self._waiting.slice(bisect_right([name for name, _ in pairs], last))
            if len(self._waiting):
                return pa.concat_tables(found)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def parsed_key(listed: Listed) -> str:
    """What a parsed row depends on, besides code and screening: its files, and what the reader knows of them."""
    record = listed.record
    files = [f"{name} {sha256}" for name, sha256 in zip(record.files, listed.sha256, strict=True)]
    return hashlib.sha256("\n".join([*files, f"{record.rate} {record.gain}"]).encode()).hexdigest()


def _parse(listed: Listed, key: str, job: ParseJob) -> dict[str, Any]:
    row = {"record_id": listed.said["record_id"], "key": key}
    try:
        return row | _measure(listed, job)
    except UnusableError as unusable:
        if unusable.reason in NOT_AS_SCANNED and None not in listed.sha256:
            # Not a fault of the data: kept, it would set the record aside for as long as the inventory is the same.
            raise UserError(
                f"{row['record_id']}: {unusable.detail}, though the scan had read it: run again, the source at rest."
            ) from None
        return row | {"reason": unusable.reason, "detail": unusable.detail}


def _measure(listed: Listed, job: ParseJob) -> dict[str, Any]:
    record = listed.record
    waveform = read_waveform(job.roots[record.source], record, listed.hashes, job.limits)
    window = waveform.signal[:, : round(SAMPLES / SAMPLING_RATE * waveform.rate)]
    stored = to_microvolts(on_grid(waveform.signal, waveform.rate))
    found = find_r_peaks(independent_leads(window)[None], waveform.rate)[0]
    if len(found) < job.limits.min_beats:
        raise UnusableError("few_beats", f"{len(found)} R peaks, fewer than screening.min_beats")
    beats = delineate(window, waveform.rate, found)
    measured = measure(beats)
    signal = stored.astype("<i2").tobytes()
    return {
        "content": hashlib.sha256(signal).digest(),
        "repairs": list(waveform.repairs),
        "heart_rate": _number(heart_rate(beats.r_peak)),
        "rmssd": _number(rmssd(beats.r_peak)),
        **{name: _number(getattr(measured, name)) for name in INTERVALS},
        "r_peaks": beats.r_peak.tolist(),
        **{f"{name}s": _numbers(getattr(beats, name)) for name in TIMES},
        "beat_kinds": beats.kind.tolist(),
        **{name: _numbers(getattr(measured, name)) for name in LEADS_MEASURED},
        "amplitudes": _peak_to_peak(to_millivolts(stored), beats.r_peak),
        "signal": signal,
    }


def _peak_to_peak(signal: NDArray[np.float32], peaks: NDArray[np.float64]) -> list[float | None]:
    """Of the median beat in each independent lead, mV."""
    return _numbers(np.ptp(median_beat(independent_leads(signal), peaks), axis=-1))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numbers(values: NDArray[np.floating]) -> list[float | None]:
    return [_number(value) for value in values.tolist()]
