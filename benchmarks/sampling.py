"""ECGs a second: `python benchmarks/sampling.py [--data data] [--records 128] [--rounds 3] [--device cpu]`.

With the models below `--data` and the settings of params.yaml, one process of one thread, conditions to Parquet; beside
it, in the same run, the 1000-step DDPM loop of the same network, guidance and batch. Of that loop 25 and 125 steps are
run, and the other 875 are taken to last as long as the last 100 did. The share of the arithmetic rate is that of the
denoiser and decoder, as torch counts their operations, against a square matrix product of the same precision. On a
CPU, processor time is counted, which other work on the machine does not lengthen.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import Params
from sediff.pseudonyms import Pseudonyms
from sediff.records import write_table
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.plan import Planner
from sediff.synthesis.schema import LikeRequest
from sediff.synthesis.synthesize import THREADS, Cohort, Dataset, Maker
from sediff.vocabulary import Vocabulary

FEW, SOME, ALL = 25, 125, 1000  # steps of the DDPM loop
PRODUCT = 2048  # rows and columns of the matrix product


def best(function: Callable[[], object], rounds: int, clock: Callable[[], float]) -> float:
    """The shortest of some rounds, in s."""
    times = []
    for _ in range(rounds):
        started = clock()
        function()
        times.append(clock() - started)
    return min(times)


def product_rate(device: torch.device, precision: str, clock: Callable[[], float]) -> float:
    """Operations a second of a square matrix product."""
    a, b = (torch.randn(PRODUCT, PRODUCT, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    return 2 * PRODUCT**3 / best(lambda: float((a @ b)[0, 0]), 5, clock)  # to float: waits for the device


def main() -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--records", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    clock = time.process_time if arguments.device == "cpu" else time.perf_counter
    params, vocabulary, count = Params.load().synthesis.sampler, Vocabulary.load(), arguments.records
    generator = EcgGenerator.load(arguments.data, vocabulary, torch.device(arguments.device), EmbeddingAccess())
    plan = Planner(arguments.data, vocabulary, Pseudonyms(), 0).request([LikeRequest(like="corpus", records=count)])
    rows, slots = plan.rows(0, count), [Slot(0, index) for index in range(count)]

    with tempfile.TemporaryDirectory() as folder:
        request = Cohort("train", count)
        access, names = EmbeddingAccess(), Pseudonyms()
        own = Dataset(
            "a", request, params, None, 0, "", arguments.data, (arguments.device,), access, names, Path(folder), count
        )
        maker = Maker(own, generator, plan, None)
        whole = best(lambda: write_table(maker.shard(0), Path(folder) / "a.parquet"), arguments.rounds, clock)
        sampling = best(lambda: generator.make(rows, slots, params), arguments.rounds, clock)

    batch, batch_slots = rows[: params.batch_size], slots[: params.batch_size]
    with FlopCounterMode(display=False) as counter:
        generator.make(batch, batch_slots, params)
    operations = counter.get_total_flops() * -(-count // params.batch_size)
    product = product_rate(generator.device, params.precision, clock)

    def loop(steps: int) -> float:
        slow = params.model_copy(update={"method": "ddpm", "steps": steps})
        return best(lambda: generator.make(batch, batch_slots, slow), 1, clock)

    few, some = loop(FEW), loop(SOME)
    ddpm = (some + (ALL - SOME) * (some - few) / (SOME - FEW)) / len(batch)
    print(f"{params.method}, {params.steps} steps, guidance {params.guidance:g}, {params.precision}, {THREADS} thread")
    print(f"conditions to Parquet: {count / whole:.1f} ECGs/s; conditions to signals {count / sampling:.1f}")
    print(f"DDPM loop of {ALL} steps: {1 / ddpm:.2f} ECGs/s; {ddpm * count / whole:.0f} times slower")
    print(f"denoiser and decoder: {operations / sampling / product:.0%} of a product's {product / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
