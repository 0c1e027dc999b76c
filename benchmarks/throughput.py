"""ECGs a second of whole machines: `python benchmarks/throughput.py CLONE [--records 1024] [--workers 1 2]`.

Each row is `sediff synthesize` in a process of its own, in the clone, with the models of its last run and the settings
of its params.yaml: records with conditions of the corpus, whose experience is known, and the same conditions as texts
with age, sex and rate, one for each record, which are read and for which similar patients are sought. Told are the wall
time of the command, and the rate once all workers are at work: of the records after each worker's first shard, from
when the last of those was there.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import yaml

from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.plan import Planner
from sediff.synthesis.schema import LikeRequest
from sediff.vocabulary import Vocabulary


def write_texts(path: Path, data: Path, records: int) -> int:
    """The corpus's conditions as a user would write them; gives how many are different."""
    plan = Planner(data, Vocabulary.load(), Pseudonyms(), 0).request([LikeRequest(like="corpus", records=records)])
    conditions = [row.condition for row in plan.rows(0, records)]
    columns = ("text", "age", "sex", "heart_rate")
    table = pl.DataFrame({name: [getattr(each, name) for each in conditions] for name in columns}, strict=False)
    table.write_parquet(path)
    return table.n_unique(["text", "age", "sex"])


def timed(clone: Path, request: Path, out: Path, workers: int) -> tuple[float, float]:
    """Wall seconds of a dataset, and records a second in full swing."""
    code = "from sediff.cli import main; main()"
    command = [sys.executable, "-c", code, "synthesize", str(request), "--out", str(out), "--workers", str(workers)]
    started = time.perf_counter()
    subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    ended = sorted((path.stat().st_mtime, path) for path in (out / "records").glob("*.parquet"))
    later = ended[workers:]
    if not later:
        raise SystemExit(
            f"{len(ended)} shards leave nothing after the first of {workers} workers: ask for more --records."
        )
    return wall, sum(pq.read_metadata(path).num_rows for _, path in later) / (later[-1][0] - ended[workers - 1][0])


def main() -> None:
    """Print a line for each request and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--records", type=int, default=1024)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, records = Path(name), arguments.records
        like, texts = folder / "like.yaml", folder / "texts.parquet"
        like.write_text(yaml.safe_dump({"like": "corpus", "records": records}))
        different = write_texts(texts, arguments.clone / "data", records)
        for title, request in (("conditions", like), (f"texts, {different} of them different", texts)):
            for workers in arguments.workers:
                wall, rate = timed(arguments.clone, request, folder / f"{request.stem}{workers}", workers)
                told = f"{wall:.0f} s of wall, {rate:.1f} ECGs/s in full swing"
                print(f"{records} {title}; {workers} workers: {told}", flush=True)


if __name__ == "__main__":
    main()
