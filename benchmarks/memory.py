"""Peak memory of the corpus stage at a tenth of the records and at all: `python benchmarks/memory.py [--records N]`.

Measured is the whole of `build_corpus` on a folder in MIMIC-IV-ECG's layout whose tables and inventory list N
recordings, the table of statements in the opposite order: listing them, comparing every recording with what was parsed
before, writing each shard of the cache again with what is new, looking for copies, assembling, counting and drawing.
What is not measured is decoding and measuring a recording: there are no signal files. Recordings that were parsed
before are written into the cache first, by a process of its own, each with a content of its own; one in a thousand is
new and has no file, so it is set aside. The signals are nearly all zeros, so they take little disk, but their 24 kB a
record go through memory. (What decoding takes does not depend on the number of records: `benchmarks/refresh.py`.)
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.describe import list_records
from sediff.corpus.listing import Listed, Listing
from sediff.corpus.params import CorpusParams
from sediff.corpus.parse import LEADS_MEASURED, PARSED, TIMES, parsed_key, parsed_path
from sediff.files import sha256_file
from sediff.processes import in_processes
from sediff.records import SIGNAL_BYTES
from sediff.sources import SCHEMA, Source
from sediff.vocabulary import Vocabulary

PARAMS = CorpusParams(sources=({"name": "mimic", "reader": "mimic-iv-ecg"},))
SENTENCES = ("Sinus rhythm", "Atrial fibrillation", "Left bundle branch block", "Possible infarct, age undetermined")
TABLES = ("machine_measurements.csv", "patients.csv", "record_list.csv")
NEW = 1000  # one recording in so many was not parsed before
BATCH = 10_000
BEATS = 12


def write_folder(root: Path, count: int) -> None:
    """The tables of `count` studies, five of each patient."""
    root.mkdir(parents=True)
    with (root / "record_list.csv").open("w") as table:
        table.write("subject_id,study_id,ecg_time,path\n")
        table.writelines(f"{n // 5},{n},2150-05-17 08:01:00,{path_of(n)}\n" for n in range(count))
    with (root / "machine_measurements.csv").open("w") as table:
        table.write("study_id,report_0,report_1\n")
        pairs = ((n, SENTENCES[n % 4], SENTENCES[n % 3]) for n in reversed(range(count)))
        table.writelines(f'{n},"{one}","{other}"\n' for n, one, other in pairs)
    with (root / "patients.csv").open("w") as table:
        table.write("subject_id,gender,anchor_age,anchor_year\n")
        table.writelines(f"{n},{'FM'[n % 2]},{20 + n % 60},2148\n" for n in range(count // 5 + 1))


def path_of(number: int) -> str:
    """A recording's path without suffix; in the order of numbers."""
    return f"files/{number // 1000:05d}/{number:08d}"


def write_inventory(root: Path, count: int, path: Path) -> None:
    """What a scan of that folder and its recordings would have found."""

    def rows() -> Iterator[dict]:
        for n in range(count):
            if n % NEW:
                for suffix in (".dat", ".hea"):
                    name = path_of(n) + suffix
                    yield {"path": name, "size": 1, "sha256": sha256(name.encode()).hexdigest()}
        yield from ({"path": name, "size": 1, "sha256": sha256_file(root / name)} for name in TABLES)

    found = rows()
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while batch := list(islice(found, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))


def parsed_row(listed: Listed) -> dict:
    """What a parse of a recording would have given, in the size that it has."""
    number = int(listed.said["record_id"].split("/")[1])
    signal = number.to_bytes(8, "little") + bytes(SIGNAL_BYTES - 8)
    lists = {f"{name}s": [float(number % 97)] * BEATS for name in TIMES}
    return {
        "record_id": listed.said["record_id"],
        "key": parsed_key(listed),
        "content": sha256(signal).digest(),
        "repairs": ["leads_reordered"],
        **dict.fromkeys(("heart_rate", "rmssd", "pr", "qrs_duration", "qt", "qtcf", "axis"), number % 997 / 10),
        "r_peaks": [float(number % 89)] * BEATS,
        **lists,
        "beat_kinds": ["N"] * BEATS,
        **{name: [number % 53 / 100] * 12 for name in LEADS_MEASURED},
        "amplitudes": [1.0] * 8,
        "signal": signal,
    }


def prepare(folder: Path, count: int) -> None:
    """Write tables, inventory and what was parsed before."""
    write_folder(folder / "raw", count)
    write_inventory(folder / "raw", count, folder / "mimic.parquet")
    listing = Listing(folder / "before.sqlite", PARAMS.shards)
    list_records([source_in(folder)], Vocabulary.load(), PARAMS.min_likelihood, listing, folder / "headers.sqlite")
    (folder / "cache").mkdir()
    for shard in range(PARAMS.shards):
        with pq.ParquetWriter(parsed_path(folder / "cache", shard), PARSED, compression="zstd") as writer:
            for batch in listing.of_shard(shard):
                known = [parsed_row(listed) for listed in batch if listed.hashes]
                writer.write_table(pa.Table.from_pylist(known, schema=PARSED))


def source_in(folder: Path) -> Source:
    """The source that lies there."""
    return Source("mimic", "mimic-iv-ecg", "open", folder / "raw", folder / "mimic.parquet")


def build(folder: Path, workers: int, told: "multiprocessing.Queue[tuple[str, float, float, float]]") -> None:
    """Build in this process and its workers: the stage's sentence, seconds, MB here and of the largest worker."""
    started = time.perf_counter()
    folders = Folders(*(folder / name for name in ("out", "report", "work", "cache")))
    sentence = build_corpus(PARAMS, [source_in(folder)], Vocabulary.load(), folders, in_processes(workers))
    peaks = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    told.put((sentence, time.perf_counter() - started, *peaks))


def measured(scratch: Path, count: int, workers: int) -> float:
    """Peak memory of a build with as many records, MB: this process and every worker at its own peak."""
    folder, context = scratch / str(count), multiprocessing.get_context("spawn")
    preparing = context.Process(target=prepare, args=(folder, count))
    preparing.start()
    preparing.join()
    told = context.Queue()
    building = context.Process(target=build, args=(folder, workers, told))
    building.start()
    sentence, seconds, own, worker = told.get()
    building.join()
    total = own + (workers * worker if workers > 1 else 0)
    print(
        f"{count:>9} listed{seconds:>8.0f} s{own:>8.0f} MB, a worker {worker:.0f} MB, in all {total:.0f} MB: {sentence}"
    )
    return total


def main() -> None:
    """Print peaks, times and the ratio of the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scratch", type=Path, help="a folder on a disk, not in memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        sizes = (arguments.records // 10, arguments.records)
        small, large = (measured(Path(name), count, arguments.workers) for count in sizes)
        print(f"ten times the records take {large / small:.2f} times the memory")


if __name__ == "__main__":
    main()
