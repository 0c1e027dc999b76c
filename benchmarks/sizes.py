"""What a run took and holds, by record, and what more records would: `python benchmarks/sizes.py CLONE`.

Seconds are those of each stage's last attempt (`runs/`), bytes those of `data/`, `runs/`, DVC's cache and what
`.sediff/` keeps beside it. What grows with the records is stretched to larger corpora; a training has the steps that
`params.yaml` gives it, however many records there are, and a network's size does not depend on them either. Two things
are measured here, each for some records, because a stage's time does not tell them apart: comparing each profile with
all training profiles, which grows with the square of the records, and encoding a record after its training.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from figures import read

from sediff.autoencoder.model import Autoencoder
from sediff.ecg import independent_leads, to_millivolts
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.profiles import PROFILES, training_profiles
from sediff.knowledge.retrieval import Retriever
from sediff.records import read_signals, read_table

CORPORA = (100_000, 1_000_000, 10_000_000)
FIXED = ("encoder@conditioner", "encoder@judges", "diffusion", "augmentation", "report", "evaluation")  # of seconds
WEIGHTS = ("encoder", "diffusion", "augmentation", "evaluation", "report", "synthesis")  # of bytes
KEPT = (".sediff/parsed", ".sediff/scan", ".dvc/cache", "runs")
SAMPLE = 512  # records that are compared and encoded
TIMES = 16  # training profiles are repeated, so that what grows with them shows


class Part(NamedTuple):
    """What a stage or folder takes whatever the corpus, for each record, and for each pair of records."""

    name: str
    fixed: float
    each: float = 0.0
    pair: float = 0.0

    def of(self, records: int) -> float:
        """What it takes for so many."""
        return self.fixed + records * (self.each + records * self.pair)

    @property
    def growth(self) -> str:
        """What it grows with."""
        return "pairs of records" if self.pair else "" if self.each else "fixed"


def comparing(clone: Path) -> float:
    """Seconds of the processor that each further training profile adds to one query: the clone's own, and repeated."""
    profiles = read_table(clone / "data/knowledge" / PROFILES)
    training, params = training_profiles(profiles), KnowledgeParams()
    queries, took = profiles[:SAMPLE], []
    for among in (training, pl.concat([training] * TIMES)):
        retriever = Retriever(among)
        started = time.process_time()
        retriever.nearest(queries, params.weights.model_dump(), params.neighbours)
        took.append(time.process_time() - started)
    return max(0.0, took[1] - took[0]) / len(queries) / (len(training) * (TIMES - 1))


def encoding(clone: Path) -> float:
    """Seconds in which a record is encoded."""
    leads = to_millivolts(independent_leads(read_signals(clone / "data/corpus/records")[:SAMPLE]))
    autoencoder = Autoencoder.load(clone / "data/autoencoder")
    started = time.perf_counter()
    with torch.no_grad():
        for part in torch.from_numpy(leads).split(64):
            autoencoder.encode(part)
    return (time.perf_counter() - started) / len(leads)


def seconds(clone: Path, records: int) -> Iterator[Part]:
    """Stages by what their seconds grow with."""
    share = len(training_profiles(read_table(clone / "data/knowledge" / PROFILES))) / records
    for stage, took in read(clone / "reports")["seconds"].items():
        if stage in FIXED or stage.startswith("synthesis@"):
            yield Part(stage, took)
        elif stage == "autoencoder":
            each = min(encoding(clone), took / records)
            yield Part(stage, took - records * each, each)
        elif stage == "knowledge":
            pair = min(share * comparing(clone), took / records**2)
            yield Part(stage, 0.0, took / records - records * pair, pair)
        else:
            yield Part(stage, 0.0, took / records)


def sizes(clone: Path, records: int) -> Iterator[Part]:
    """Folders by what their bytes grow with."""
    folders = [*sorted((clone / "data").iterdir()), *(clone / name for name in KEPT)]
    for folder in filter(Path.is_dir, folders):
        size = float(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
        name = folder.relative_to(clone).as_posix()
        yield Part(name, size) if folder.name in WEIGHTS else Part(name, 0.0, size / records)


def made(clone: Path) -> tuple[int, int]:
    """Bytes and number of the synthetic records."""
    folders = sorted((clone / "data/synthesis").glob("*/records"))
    counts = [json.loads((clone / f"reports/synthesis/{f.parent.name}/metrics.json").read_text()) for f in folders]
    return sum(p.stat().st_size for f in folders for p in f.rglob("*.parquet")), sum(m["records"] for m in counts)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="What a run took and holds, and what more records would.")
    parser.add_argument("clone", type=Path)
    clone = parser.parse_args().clone
    records = read(clone / "reports")["corpus"]["records"]
    head = "".join(f" {count:,} |" for count in CORPORA)
    for title, parts, form in (
        ("seconds", sorted(seconds(clone, records)), lambda value: f"{value / 60:,.0f} min"),
        ("bytes", sorted(sizes(clone, records)), lambda value: f"{value / 1e9:,.2f} GB"),
    ):
        print(f"\n| {title} | {records:,} records | a record |{head}\n|---|---|---|{'---|' * len(CORPORA)}")
        for part in parts:
            each = f"{1000 * part.each:.2f} ms" if title == "seconds" else f"{part.each:,.0f} B"
            values = [form(part.of(count)) for count in (records, *CORPORA)]
            own = ", and ".join(filter(None, (each if part.each else "", part.growth)))
            print(f"| {part.name} | {values[0]} | {own} | {' | '.join(values[1:])} |")
        values = [form(sum(part.of(count) for part in parts)) for count in (records, *CORPORA)]
        print(f"| all | {values[0]} | | {' | '.join(values[1:])} |")
    size, count = made(clone)
    print(f"\nA synthetic record takes {size / count:,.0f} bytes ({count:,} records).")


if __name__ == "__main__":
    main()
