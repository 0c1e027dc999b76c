"""`sediff audit` on a dataset of a million records: `python benchmarks/audit.py [--records 1000000]`.

The dataset is drawn, without signals: shards as the synthesis stage writes them, a corpus of as many real records,
their experiences and the inventory of their files. Each question is asked in a process of its own, as a user does.
Beside it stands the plain way, which reads the columns of all shards with polars to find one row. Times are wall-clock
and CPU seconds; the first of the rounds is told apart, and each round asks for another record.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
GROUP = 512
PARAMETERS = {"corpus": {"sources": [{"name": "drawn", "reader": "ptb-xl", "sharing": "open"}]}}
STAGES = {
    "corpus": ["data/sources"],
    "simulator": ["data/corpus"],
    "knowledge": ["data/corpus", "data/simulator"],
    "encoder": ["data/corpus"],
    "autoencoder": ["data/corpus"],
    "diffusion": ["data/autoencoder", "data/knowledge"],
    "synthesis@dataset": ["data/diffusion", "data/knowledge"],
}
ASK = "from sediff.cli import main; main()"
PLAIN = (
    "import sys, polars as pl; f = pl.read_parquet('data/synthesis/dataset/records/*.parquet'); "
    "print(f.filter(pl.col('record_id') == sys.argv[1]).row(0, named=True))"
)


def main() -> None:
    """Draw, ask, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root, arguments.records)
        rng = np.random.default_rng(1)
        numbers = [f"{number:06d}" for number in rng.integers(0, arguments.records, arguments.rounds)]
        real = [f"drawn/{int(number):07d}" for number in numbers]
        questions = {
            "a synthetic record": [ask("audit", f"dataset/{number}") for number in numbers],
            "a real record": [ask("audit", record) for record in real],
            "an experience": [ask("audit", f"experience:{record}") for record in real],
            "the plain way to the row": [[sys.executable, "-c", PLAIN, f"dataset/{number}"] for number in numbers],
        }
        print(f"{arguments.records} records, {len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}")
        print(f"{'question':<26}{'first, s':>10}{'median, s':>11}{'CPU, s':>9}")
        for name, commands in questions.items():
            times = [timed(command, root) for command in commands]
            wall, cpu = zip(*times, strict=True)
            print(f"{name:<26}{wall[0]:>10.2f}{statistics.median(wall):>11.2f}{statistics.median(cpu):>9.2f}")


def ask(*arguments: str) -> list[str]:
    """A command of the command line."""
    return [sys.executable, "-c", ASK, *arguments]


def timed(command: list[str], root: Path) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def draw(root: Path, count: int) -> None:
    """A working tree with so many synthetic and real records."""
    (root / "params.yaml").write_text("{}\n")
    stages = {name.partition("@")[0]: {"cmd": "", "outs": [f"data/{name.replace('@', '/')}"]} for name in STAGES}
    stages["synthesis"] = {"foreach": ["dataset"], "do": {"cmd": "", "outs": ["data/synthesis/${item}"]}}
    lock = {
        name: {"outs": [{"path": f"data/{name.replace('@', '/')}", "md5": f"{number:032x}.dir", "size": 1}]}
        for number, name in enumerate(STAGES)
    }
    (root / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": lock}))
    for name, inputs in STAGES.items():
        out = root / "data" / name.replace("@", "/")
        out.mkdir(parents=True)
        made = {"stage": name, "fingerprint": name, "parameters": PARAMETERS, "code": {}, "device": {}}
        (out / "manifest.json").write_text(json.dumps(made | {"inputs": dict.fromkeys(inputs, "x")}))
    (root / "data/encoder/conditioner").mkdir()
    real = [f"drawn/{number:07d}" for number in range(count)]
    corpus(root / "data/corpus/records", real)
    synthetic(root / "data/synthesis/dataset/records", real)
    experiences(root / "data/knowledge/experience.parquet", real)
    inventory(root / "data/sources/drawn.parquet", count)
    morphology = {"statement": ["NORM"], "error": [0.1], "count": [1], "source": ["statement"]}
    pq.write_table(pa.table(morphology), root / "data/simulator/morphology.parquet")


def neighbours(start: int, real: list[str]) -> list[list[str]]:
    """Twelve for each row of a group."""
    places = np.random.default_rng(start).integers(0, len(real), (GROUP, 12))
    return [[real[place] for place in row] for row in places]


def synthetic(folder: Path, real: list[str]) -> None:
    """Shards of 512 rows, all columns but the signal."""
    folder.mkdir(parents=True)
    for start in range(0, len(real), GROUP):
        rows = range(start, min(start + GROUP, len(real)))
        names = [f"dataset/{row:06d}" for row in rows]
        constant = {
            "request": "dataset", "seed": 0, "try": 0, "text": "sinus rhythm", "age": 60.0, "sex": "male",
            "heart_rate": 70.0, "axis": 10.0, "statements": ["SR"], "distiller": "offline",
            "simulator_statement": "NORM", "model": "m" * 64, "fingerprint": "synthesis@dataset",
        }  # fmt: skip
        columns = {
            "record_id": names,
            "index": list(rows),
            "matched_record_id": [real[row] for row in rows],
            "experience_id": [f"experience:{real[row]}" for row in rows],
            "experience": [f"Rhythm: sinus rhythm. {row}" for row in rows],
            "neighbours": neighbours(start, real)[: len(rows)],
            "similarities": [[0.5] * 12] * len(rows),
            **{name: [value] * len(rows) for name, value in constant.items()},
        }
        pq.write_table(pa.table(columns), folder / f"shard-{start // GROUP:03d}.parquet", compression="zstd")


def corpus(folder: Path, real: list[str]) -> None:
    """Sixteen shards, records spread over them by patient, each sorted by id; forty columns of measures."""
    folder.mkdir(parents=True)
    for shard in range(16):
        names = real[shard::16]
        told = {"source": "drawn", "split": "train", "recorded_at": "", "age": 60.0, "sex": "male"}
        columns = {
            "record_id": names,
            "patient_id": names,
            "statements": [["SR"]] * len(names),
            "repairs": [[]] * len(names),
            **{name: [value] * len(names) for name, value in told.items()},
            **{f"measure_{number}": np.zeros(len(names), np.float32) for number in range(40)},
        }
        path = folder / f"shard-{shard:04d}.parquet"
        pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=GROUP)


def experiences(path: Path, real: list[str]) -> None:
    """As many columns as the stage's table has leaves, in the order of the corpus's shards."""
    with pq.ParquetWriter(path, experience_schema(), compression="zstd") as writer:
        for shard in range(16):
            names = real[shard::16]
            for start in range(0, len(names), GROUP):
                part = names[start : start + GROUP]
                columns = {
                    "experience_id": [f"experience:{name}" for name in part],
                    "record_id": part,
                    "text": [f"Rhythm: {name}" for name in part],
                    "distiller": ["offline"] * len(part),
                    "fallback_reason": [None] * len(part),
                    "neighbours": neighbours(start, real)[: len(part)],
                    "similarities": [[0.5] * 12] * len(part),
                    **{f"measure_{number}": np.zeros(len(part), np.float32) for number in range(90)},
                }
                writer.write_table(pa.table(columns, schema=experience_schema()))


def experience_schema() -> pa.Schema:
    """Texts, neighbours and ninety numbers."""
    texts = ("experience_id", "record_id", "text", "distiller", "fallback_reason")
    lists = [("neighbours", pa.list_(pa.string())), ("similarities", pa.list_(pa.float32()))]
    measures = [(f"measure_{number}", pa.float32()) for number in range(90)]
    return pa.schema([*((name, pa.string()) for name in texts), *lists, *measures])


def inventory(path: Path, count: int) -> None:
    """Header and signal of each record, sorted by path, as a scan writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stems = [f"records100/{number // 1000 * 1000:05d}/{number:07d}_lr" for number in range(count)]
    names = sorted(f"{stem}{suffix}" for stem in stems for suffix in (".dat", ".hea"))
    columns = {"path": names, "size": np.full(len(names), 24_000), "sha256": [f"{k:064x}" for k in range(len(names))]}
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=65_536)


if __name__ == "__main__":
    main()
