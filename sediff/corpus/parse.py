"""Reading, screening and measuring recordings, one shard at a time.

What is parsed is kept beside the pipeline's outs, by the hashes of each recording's files: a recording that is known
is not read again. Only a few hundred recordings are held at once.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sediff.beats import find_r_peaks, heart_rate, median_beat, rmssd
from sediff.corpus.listing import Listing, shard_rows
from sediff.corpus.params import ScreeningParams
from sediff.corpus.readers import RawRecord
from sediff.corpus.waveform import UnusableError, on_grid, read_waveform
from sediff.delineation import delineate, measure
from sediff.ecg import SAMPLES, SAMPLING_RATE, independent_leads, to_microvolts, to_millivolts
from sediff.errors import UserError
from sediff.files import replacing
from sediff.records import ROWS_PER_GROUP, SIGNAL_BYTES
from sediff.sources import Source, hashes_of

TIMES = ("p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_offset")
INTERVALS = ("pr", "qrs_duration", "qt", "qtcf", "axis")
LEADS_MEASURED = ("st", "p_amplitudes", "r_amplitudes", "s_amplitudes", "t_amplitudes")
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
    """All that parsing a shard needs; it travels to other processes and machines."""

    listing: Listing
    sources: dict[str, Source]
    limits: ScreeningParams
    cache: Path


def parsed_path(cache: Path, shard: int) -> Path:
    """Where a shard's parsed recordings are kept."""
    return cache / f"shard-{shard:04d}.parquet"


def parse_shard(job: ParseJob, shard: int) -> int:
    """Bring a shard's parsed recordings up to date: `PARSED` rows by record id. Returns how many were read."""
    listed = job.listing.of_shard(shard)
    records = list(shard_rows(listed))
    hashes = _hashes(job.sources, records)
    keys = {record.record_id: _key(record, hashes[record.source]) for record in records}
    try:
        return _parse_shard(job, shard, records, keys, hashes)
    except DAMAGED:
        path = parsed_path(job.cache, shard)
        if not path.exists():
            raise
        path.unlink()
        return _parse_shard(job, shard, records, keys, hashes)


def _parse_shard(
    job: ParseJob,
    shard: int,
    records: Sequence[RawRecord],
    keys: Mapping[str, str],
    hashes: Mapping[str, dict[str, str]],
) -> int:
    path = parsed_path(job.cache, shard)
    known = _Known(path, keys)
    if known.complete:
        known.verify()
        return 0
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, PARSED, compression="zstd", write_page_checksum=True) as writer,
    ):
        for start in range(0, len(records), ROWS_PER_GROUP):
            batch = records[start : start + ROWS_PER_GROUP]
            rows = [known.row(r.record_id) or _parse(r, keys[r.record_id], hashes[r.source], job) for r in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=PARSED), row_group_size=ROWS_PER_GROUP)
    return len(records) - len(known.places)


class _Known:
    """Rows of an earlier parse whose files have not changed; both are in the order of record ids."""

    def __init__(self, path: Path, keys: Mapping[str, str]) -> None:
        self.places: dict[str, int] = {}
        self.rows: Iterator[tuple[int, dict[str, Any]]] = iter(())
        self.complete = False
        if not path.exists():
            return
        table = pq.read_table(path, columns=["record_id", "key"])
        pairs = zip(table["record_id"].to_pylist(), table["key"].to_pylist(), strict=True)
        self.places = {name: place for place, (name, key) in enumerate(pairs) if keys.get(name) == key}
        self.complete = len(self.places) == len(keys) == len(table)
        self.rows = self._read(path)

    @staticmethod
    def _read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        batches = pq.ParquetFile(path, page_checksum_verification=True).iter_batches(ROWS_PER_GROUP)
        return enumerate(row for batch in batches for row in batch.to_pylist())

    def verify(self) -> None:
        """Read every page, whose checksum tells whether it is whole."""
        for _ in self.rows:
            pass

    def row(self, record_id: str) -> dict[str, Any] | None:
        """The kept row of a record, asked for in the order of ids."""
        if record_id not in self.places:
            return None
        return next(row for place, row in self.rows if place == self.places[record_id])


def _hashes(sources: Mapping[str, Source], records: Sequence[RawRecord]) -> dict[str, dict[str, str]]:
    """Inventory hashes of the records' files, by source."""
    names: dict[str, list[str]] = {}
    for record in records:
        names.setdefault(record.source, []).extend(record.files)
    return {name: hashes_of(sources[name], files) for name, files in names.items()}


def _key(record: RawRecord, hashes: Mapping[str, str]) -> str:
    """What a parsed row depends on, besides code and screening: its files, and what the reader knows of them."""
    files = [f"{name} {hashes.get(name)}" for name in record.files]
    return hashlib.sha256("\n".join([*files, f"{record.rate} {record.gain}"]).encode()).hexdigest()


def _parse(record: RawRecord, key: str, hashes: Mapping[str, str], job: ParseJob) -> dict[str, Any]:
    row = {"record_id": record.record_id, "key": key}
    try:
        return row | _measure(record, hashes, job)
    except UnusableError as unusable:
        if unusable.reason in NOT_AS_SCANNED and all(name in hashes for name in record.files):
            # Not a fault of the data: kept, it would set the record aside for as long as the inventory is the same.
            raise UserError(
                f"{record.record_id}: {unusable.detail}, though the scan had read it: run again, the source at rest."
            ) from None
        return row | {"reason": unusable.reason, "detail": unusable.detail}


def _measure(record: RawRecord, hashes: Mapping[str, str], job: ParseJob) -> dict[str, Any]:
    waveform = read_waveform(job.sources[record.source].root, record, hashes, job.limits)
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
