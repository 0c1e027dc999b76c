"""A refresh with a few new records against a build from nothing: `python benchmarks/refresh.py PTB-XL [--new 100]`.

Builds the corpus of all records but the new ones, then of all records, and once more from nothing; says how many
recordings each read, what it took, its peak memory, and whether the two results are the same bytes. A tenth of the
records is built too, to see whether memory grows with them.
"""

import argparse
import hashlib
import multiprocessing
import os
import re
import resource
import tempfile
import time
from pathlib import Path

from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.processes import in_processes
from sediff.sources import Source, scan
from sediff.vocabulary import Vocabulary

TABLE = "ptbxl_database.csv"
PARAMS = CorpusParams(sources=({"name": "ptb-xl", "reader": "ptb-xl"},), shards=64)


def build(root: Path, folder: Path, told: "multiprocessing.Queue[tuple[str, float, float]]") -> None:
    """Scan and build in this process, and say what it took: the stage's sentence, seconds, MB."""
    started = time.perf_counter()
    for name in ("out", "report", "cache"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    source = Source("ptb-xl", "ptb-xl", "open", root, folder / "ptb-xl.parquet")
    scan(source, folder / "scan.sqlite", frozenset({"records500"}))
    folders = [folder / name for name in ("out", "report", "work", "cache")]
    sentence = build_corpus(PARAMS, [source], Vocabulary.load(), Folders(*folders), in_processes(1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told.put((sentence, time.perf_counter() - started, peak))


def measured(label: str, root: Path, folder: Path) -> None:
    """Build in a process of its own, so that its memory is its own, and print."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=build, args=(root, folder, told))
    process.start()
    sentence, seconds, peak = told.get()
    process.join()
    read = re.search(r"(\d+) read", sentence)
    print(f"{label:<32}{read.group(1) if read else '?':>7} read{seconds:>8.1f} s{peak:>8.0f} MB", flush=True)


def view(raw: Path, folder: Path, records: list[str]) -> Path:
    """A copy of PTB-XL with these rows of its table; the recordings are links to the original's folders."""
    folder.mkdir(parents=True)
    (folder / TABLE).write_text("".join(records), encoding="utf-8")
    for path in sorted((raw / "records100").rglob("*")):
        target = folder / path.relative_to(raw)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            os.link(path, target)
    return folder


def digest(folder: Path) -> str:
    """SHA-256 over the Parquet files of a build."""
    files = sorted((folder / "out").rglob("*.parquet"))
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def main() -> None:
    """Build, refresh, and build from nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="a copy of PTB-XL, on the file system of --scratch")
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--scratch", type=Path, help="folder on the same file system, for links")
    arguments = parser.parse_args()
    header, *rows = (arguments.raw / TABLE).read_text(encoding="utf-8").splitlines(keepends=True)
    with tempfile.TemporaryDirectory(dir=arguments.scratch or arguments.raw.parent) as name:
        folder = Path(name)
        tenth = view(arguments.raw, folder / "tenth", [header, *rows[: len(rows) // 10]])
        measured("a tenth of the records", tenth, folder / "small")
        before = view(arguments.raw, folder / "before", [header, *rows[: -arguments.new]])
        measured(f"all but {arguments.new}", before, folder / "kept")
        (before / TABLE).write_text("".join([header, *rows]), encoding="utf-8")
        measured(f"refresh with {arguments.new} new", before, folder / "kept")
        measured("nothing new", before, folder / "kept")
        measured("all, from nothing", before, folder / "new")
        same = digest(folder / "kept") == digest(folder / "new")
        print("the refresh gave the bytes of a build from nothing" if same else "THE BYTES DIFFER")


if __name__ == "__main__":
    main()
