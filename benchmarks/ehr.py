"""Reading an EHR of MIMIC-IV's size: `python benchmarks/ehr.py MIMIC-IV-DEMO/hosp [--admissions 400000] [--gz]`.

Writes `hosp/` tables of as many admissions, with rows drawn from the demo's (so codes, drugs and the width of a row are
real), as many of them an admission as MIMIC-IV has on average: 11 diagnoses, 1.7 procedures, 45 prescriptions. Then a
process of its own reads them, and tells its time and its peak memory.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from sediff.knowledge.ehr import read_admissions

ROWS = {"diagnoses_icd": 11.0, "procedures_icd": 1.7, "prescriptions": 45.0}
BLOCK = 20_000  # admissions
PATIENTS = 0.45  # an admission
SPREAD = 0.6  # of the logarithm of rows an admission


def write_tables(demo: Path, hosp: Path, admissions: int, rng: np.random.Generator) -> dict[str, int]:
    """Write the tables in blocks; the rows of each."""
    hosp.mkdir(parents=True)
    rows: dict[str, int] = {}
    patients = max(1, int(admissions * PATIENTS))
    subjects = np.sort(rng.integers(0, patients, admissions)) + 10_000_000
    _append(
        hosp, "patients", _drawn(demo, "patients", patients, rng, subject_id=np.arange(patients) + 10_000_000), rows
    )
    for start in range(0, admissions, BLOCK):
        subject = subjects[start : start + BLOCK]
        hadm = 20_000_000 + start + np.arange(len(subject))
        _append(hosp, "admissions", _drawn(demo, "admissions", len(hadm), rng, subject_id=subject, hadm_id=hadm), rows)
        for name, mean in ROWS.items():
            counts = rng.poisson(mean * np.exp(rng.normal(-(SPREAD**2) / 2, SPREAD, len(hadm))))
            keys = {"subject_id": np.repeat(subject, counts), "hadm_id": np.repeat(hadm, counts)}
            _append(hosp, name, _drawn(demo, name, int(counts.sum()), rng, **keys), rows)
    return rows


def _drawn(demo: Path, name: str, count: int, rng: np.random.Generator, **columns: np.ndarray) -> pl.DataFrame:
    """As many rows of a table of the demo, with these columns in the place of theirs."""
    table = pl.read_csv(demo / f"{name}.csv.gz", infer_schema=False)
    return table[rng.integers(0, len(table), count)].with_columns(pl.Series(key, ids) for key, ids in columns.items())


def _append(hosp: Path, name: str, table: pl.DataFrame, rows: dict[str, int]) -> None:
    with (hosp / f"{name}.csv").open("ab") as file:
        table.write_csv(file, include_header=name not in rows)
    rows[name] = rows.get(name, 0) + len(table)


def peak_memory() -> float:
    """Of this process since it began, GB (getrusage's figure begins with that of the process that started it)."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024**2


def read(hosp: Path) -> None:
    """Read the tables and print what it took."""
    before = peak_memory()
    started = time.perf_counter()
    admissions = read_admissions(hosp)
    seconds = time.perf_counter() - started
    items = {name: int(admissions[name].list.len().sum()) for name in ("diagnoses", "medications", "procedures")}
    print(f"{len(admissions)} {seconds:.1f} {before:.2f} {peak_memory():.2f} {items}")


def measured(hosp: Path, rows: int) -> None:
    """Read in a process of its own."""
    command = [sys.executable, __file__, "--read", str(hosp)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    count, seconds, before, peak, items = told.split(maxsplit=4)
    size = sum(path.stat().st_size for path in hosp.iterdir()) / 1e9
    kind = "csv.gz" if any(path.suffix == ".gz" for path in hosp.iterdir()) else "csv"
    print(
        f"| {kind} | {count} | {rows} | {size:.2f} GB | {seconds} s | {rows / float(seconds):,.0f} | {peak} GB "
        f"({before} before) |"
    )
    print(f"items: {items}", file=sys.stderr)


def main() -> None:
    """Print a table: rows a second and peak memory, csv and csv.gz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, nargs="?", help="hosp/ of MIMIC-IV's demo")
    parser.add_argument("--admissions", type=int, default=400_000)
    parser.add_argument("--gz", action="store_true", help="also read the tables compressed")
    parser.add_argument("--scratch", type=Path, help="a folder on a disk, not in memory")
    parser.add_argument("--read", type=Path, help="read this folder here and now")
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.read)
        return
    if not arguments.demo:
        parser.error("name the demo's hosp/ folder")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        hosp = Path(scratch) / "hosp"
        rows = write_tables(arguments.demo, hosp, arguments.admissions, np.random.default_rng(0))
        print(", ".join(f"{name} {count}" for name, count in rows.items()))
        print("| tables | admissions | rows | on disk | time | rows/s | peak memory |\n|---|---|---|---|---|---|---|")
        measured(hosp, sum(rows.values()))
        if arguments.gz:
            gzip = shutil.which("gzip")
            if gzip is None:
                raise SystemExit("gzip is needed to write csv.gz")
            for path in sorted(hosp.iterdir()):
                subprocess.run([gzip, "-1", str(path)], check=True)
            measured(hosp, sum(rows.values()))


if __name__ == "__main__":
    main()
