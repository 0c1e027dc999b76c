"""Memory and time of a dataset at several sizes, all but the network: `python benchmarks/bulk.py [--records N ...]`.

Each size is a process of its own, with the models below `--data`: it reads the request, makes every row with its
columns, writes and hashes the shards, goes over them again as a second start does, counts, describes and hashes the
folder, and exports it to numpy. Only the networks are not run: signals are noise of a few microvolts, a function of the
index. The request is a fourth each of a prompt, a distribution, `like: corpus` and `fill`; with `--table`, a Parquet
table with a row for each record. Peak memory is that of the process at the end of each part, in MB, and stays where it
is when records grow.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import yaml
from numpy.typing import NDArray

from sediff.datasheet.describe import describe_dataset
from sediff.datasheet.facts import Facts
from sediff.ecg import LEADS, SAMPLES
from sediff.encoder.embedding import EmbeddingAccess
from sediff.export.export import export
from sediff.files import write_json
from sediff.params import Params
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.plan import Planner
from sediff.synthesis.read import read_request
from sediff.synthesis.request import RequestRow
from sediff.synthesis.shards import MANIFEST, Shards
from sediff.synthesis.synthesize import Dataset, Maker, metrics, rows_of_shards
from sediff.vocabulary import Vocabulary

TEXTS = ("atrial fibrillation", "sinus rhythm", "complete left bundle branch block", "old inferior infarct")
NOISE = 20  # µV


class Unrun(EcgGenerator):
    """A generator whose networks are not asked."""

    def make(self, rows: Sequence[RequestRow], slots: Sequence[Slot], sampler: SamplerParams) -> NDArray[np.int16]:
        """Noise in place of ECGs."""
        shape = (len(LEADS), SAMPLES)
        noise = [np.random.default_rng(slot.index).integers(-NOISE, NOISE, shape, np.int16) for slot in slots]
        return np.stack(noise)


def write_yaml(path: Path, records: int) -> None:
    """A request of all kinds."""
    part = records // 4
    drawn = {"text": dict.fromkeys(TEXTS, 1), "age": {"mean": 60, "sd": 15}, "sex": {"female": 0.5}}
    prompt = {"text": TEXTS[0], "age": 71, "heart_rate": 110}
    kinds = [prompt, {**drawn, "heart_rate": {"low": 50, "high": 120}}, {"like": "corpus"}]
    path.write_text(yaml.safe_dump([{**kind, "records": part} for kind in kinds] + [{"fill": {"WPW": part}}]))


def write_rows(path: Path, records: int) -> None:
    """A table with a condition for each record, in one row group where pyarrow's writer is asked for nothing else."""
    rng = np.random.default_rng(0)
    ages, rates = rng.integers(20, 95, records).astype(float), rng.integers(50, 130, records).astype(float)
    texts = np.array(TEXTS)[rng.integers(0, len(TEXTS), records)]
    pl.DataFrame({"text": texts, "age": ages, "heart_rate": rates}).write_parquet(path, row_group_size=2**20)


def run(data: Path, folder: Path, request: Path, records: int) -> None:
    """All parts of a dataset, in this process, with a line for each."""
    vocabulary, device, sampler = Vocabulary.load(), torch.device("cpu"), Params.load().synthesis.sampler
    generator = Unrun.load(data, vocabulary, device, EmbeddingAccess())
    planner, out = Planner(data, vocabulary, Pseudonyms(), 0), folder / "out"
    count = records  # until the plan says: to fill a class up, what the corpus has of it is not asked for again

    def measure(name: str, part: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        value = part()
        seconds, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count:>9}  {name:<17}{seconds:>8.1f}{count / seconds:>12.0f}{peak:>7.0f}", flush=True)
        return value

    def make(plan: Any) -> None:
        size = rows_of_shards(len(plan), sampler.batch_size)
        dataset = Dataset(
            "dataset", asked, sampler, None, 0, "", data, ("cpu",), EmbeddingAccess(), Pseudonyms(), out, "", size
        )
        maker, shards = Maker(dataset, generator, plan, None), Shards(out)
        shards.open({})
        for number in range(-(-len(plan) // size)):
            shards.write(number, maker.shard(number))
        write_json(out / MANIFEST, {"records": len(plan)})

    def check() -> None:
        size = rows_of_shards(len(plan), sampler.batch_size)
        assert not Shards(out).unfinished(-(-len(plan) // size))

    asked = measure("read the request", partial(read_request, request, vocabulary))
    plan = measure("plan", partial(asked.plan, planner))
    count = len(plan)
    measure("make", partial(make, plan))
    measure("second start", check)
    measure("metrics", partial(metrics, out / "records", 0))
    measure("describe", partial(describe_dataset, out, Facts("dataset")))
    measure("export", partial(export, out, "numpy", folder / "numpy"))


def main() -> None:
    """Print a line for each size and part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--records", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--table", action="store_true", help="a Parquet table of rows, not a request in YAML")
    parser.add_argument("--scratch", type=Path, help="a folder on a disk with 24 kB to spare for each record")
    arguments = parser.parse_args()
    context, write = multiprocessing.get_context("spawn"), write_rows if arguments.table else write_yaml
    print(f"{'records':>9}  {'part':<17}{'s':>8}{'records/s':>12}{'MB':>7}", flush=True)
    for records in arguments.records:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
            folder = Path(name)
            request = folder / f"request.{'parquet' if arguments.table else 'yaml'}"
            write(request, records)
            process = context.Process(target=run, args=(arguments.data.resolve(), folder, request, records))
            process.start()
            process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
