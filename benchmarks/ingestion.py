"""Reading and screening against a plain loop of wfdb: `python benchmarks/ingestion.py PTB-XL [--records 4000]`.

One process calls `wfdb.rdrecord` on each record. Two processes do what the corpus stage does before it looks for
beats: hash and read both files, screen, resample. Both read the same records, by turns; medians over the rounds.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import wfdb

from sediff.corpus.grid import on_grid
from sediff.corpus.params import ScreeningParams
from sediff.corpus.readers import READERS, RawRecord
from sediff.corpus.screening import UnusableError
from sediff.corpus.waveform import read_waveform
from sediff.ecg import to_microvolts
from sediff.files import sha256_file

CHUNK = 100


def plain(root: Path, records: Sequence[RawRecord]) -> None:
    """What a script would do."""
    for record in records:
        wfdb.rdrecord(str(root / record.path))


def screened(root: Path, records: Sequence[RawRecord], hashes: dict[str, str]) -> Counter[str]:
    """What the corpus stage does; counts of what became of the records."""
    found: Counter[str] = Counter()
    for record in records:
        try:
            waveform = read_waveform(root, record, hashes, ScreeningParams())
            to_microvolts(on_grid(waveform.signal, waveform.rate))
            found["kept"] += 1
        except UnusableError as unusable:
            found[unusable.reason] += 1
    return found


def main() -> None:
    """Print records a second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder in a layout that a reader knows")
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--reader", default="ptb-xl", choices=READERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()

    listed = (found for found in READERS[args.reader]("raw", args.root).records() if isinstance(found, RawRecord))
    present = (record for record in listed if all((args.root / name).is_file() for name in record.files))
    records = list(islice(present, args.records))
    chunks = [records[start : start + CHUNK] for start in range(0, len(records), CHUNK)]
    hashes = [{name: sha256_file(args.root / name) for r in chunk for name in r.files} for chunk in chunks]
    times: dict[str, list[float]] = {"plain": [], "screened": []}
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        roots = [args.root] * len(chunks)
        list(pool.map(screened, roots[:4], chunks[:4], hashes[:4]))  # start the processes
        for _ in range(args.rounds):
            start = time.perf_counter()
            plain(args.root, records)
            times["plain"].append(time.perf_counter() - start)
            start = time.perf_counter()
            found = sum(pool.map(screened, roots, chunks, hashes), Counter())
            times["screened"].append(time.perf_counter() - start)
    rates = {name: len(records) / median(seconds) for name, seconds in times.items()}
    print(f"{len(records)} records, {args.rounds} rounds: {dict(found.most_common())}")
    print(f"wfdb.rdrecord, one process: {rates['plain']:.0f} records/s")
    print(f"read, screened, resampled, {args.processes} processes: {rates['screened']:.0f} records/s")
    print(f"ratio {rates['screened'] / rates['plain']:.1f}")


if __name__ == "__main__":
    main()
