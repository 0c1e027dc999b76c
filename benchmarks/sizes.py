"""What a run took and holds, by record, and what more records would: `python benchmarks/sizes.py CLONE`.

Seconds are those of each stage's last attempt (`runs/`), bytes those of `data/` and of what `.sediff/` and DVC's cache
keep beside it. What grows with the records is stretched to larger corpora; a training has the steps that `params.yaml`
gives it, however many records there are, and a network's size does not depend on them either.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from figures import read

CORPORA = (100_000, 1_000_000, 10_000_000)
FIXED = ("encoder@conditioner", "encoder@judges", "diffusion", "augmentation", "report")  # of seconds
SYNTHETIC = "synthesis@dataset", "synthesis@evaluation", "synthesis@augmentation"
WEIGHTS = ("encoder", "diffusion", "augmentation", "evaluation", "report")  # of bytes


def seconds(clone: Path, records: int) -> Iterator[tuple[str, float, float]]:
    """Stage, seconds that do not grow with the corpus, and seconds a record of it."""
    for stage, took in read(clone / "reports")["seconds"].items():
        fixed = stage in FIXED or stage in SYNTHETIC or stage == "evaluation"
        # The autoencoder's training is as long as its steps; encoding all records afterwards is the smaller part.
        yield stage, *((took, 0.0) if fixed or stage == "autoencoder" else (0.0, took / records))


def sizes(clone: Path, records: int) -> Iterator[tuple[str, float, float]]:
    """Folder, bytes that do not grow with the corpus, and bytes a record of it."""
    folders = [*sorted((clone / "data").iterdir()), clone / ".sediff/parsed", clone / ".sediff/scan"]
    for folder in filter(Path.is_dir, folders):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        name = folder.relative_to(clone).as_posix()
        fixed = folder.name in WEIGHTS or folder.name == "synthesis"
        yield name, *((float(size), 0.0) if fixed else (0.0, size / records))


def made(clone: Path) -> tuple[int, int]:
    """Bytes and number of the synthetic records."""
    folders = sorted((clone / "data/synthesis").glob("*/records"))
    counts = [json.loads((clone / f"reports/synthesis/{f.parent.name}/metrics.json").read_text()) for f in folders]
    return sum(p.stat().st_size for f in folders for p in f.rglob("*.parquet")), sum(m["records"] for m in counts)


def main() -> None:
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
        total = ("all", sum(fixed for _, fixed, _ in parts), sum(each for _, _, each in parts))
        for name, fixed, each in [*parts, total]:
            own = f"{1000 * each:.2f} ms" if title == "seconds" else f"{each:,.0f} B"
            values = [form(fixed + count * each) for count in (records, *CORPORA)]
            print(f"| {name} | {values[0]} | {own if each else 'fixed'} | {' | '.join(values[1:])} |")
    size, count = made(clone)
    print(f"\nA synthetic record takes {size / count:,.0f} bytes ({count:,} records).")


if __name__ == "__main__":
    main()
