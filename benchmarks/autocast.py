"""What bfloat16 is worth on this device: `python benchmarks/autocast.py [--rounds 5] [--profile NAME] [--data DATA]`.

Times a forward and backward pass of the autoencoder, the judge and the denoiser of params.yaml on a batch of random
records, in turns in float32 and in mixed bfloat16, and prints how many times as long bfloat16 takes (medians), beside
what `sediff/autocast.py` chooses here. With the `data` of a clone whose stages have run: how far records lie apart that
its models make in either, which is how far a device that has no bfloat16 is from one that has.
"""

import argparse
import statistics
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from training import Case, cases, of_profile

from sediff.autocast import has_bfloat16
from sediff.configure import PROFILES
from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import Params
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.plan import Planner
from sediff.synthesis.schema import LikeRequest
from sediff.vocabulary import Vocabulary

RECORDS = 64


def seconds(case: Case, device: torch.device, mixed: bool) -> float:
    """Of one pass."""
    batch = case.records(torch.arange(case.batch_size))
    batch = tuple(part.to(device) for part in batch) if isinstance(batch, tuple) else batch.to(device)
    started = time.perf_counter()
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        loss = case.loss(case.network, batch, torch.Generator().manual_seed(0))[0]
    loss.backward()
    float(loss.detach())  # waits for the device
    return time.perf_counter() - started


def records(data: Path, params: Params, device: torch.device, mixed: bool) -> NDArray[np.int16]:
    """Of the first conditions that a request like the corpus has: (n, 12, 1000) in µV."""
    vocabulary = Vocabulary.load()
    plan = Planner(data, vocabulary, Pseudonyms(), 0).request([LikeRequest(like="corpus", records=RECORDS)])
    slots = [Slot(0, index) for index in range(RECORDS)]
    maker = EcgGenerator.load(data, vocabulary, device, EmbeddingAccess())
    with mock.patch("sediff.autocast.has_bfloat16", lambda device: mixed):
        return maker.make(plan.rows(0, RECORDS), slots, params.synthesis.sampler)


def main() -> None:
    """Print a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", choices=sorted(path.stem for path in PROFILES.glob("*.yaml")))
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    params, device = Params.load(), torch.device(arguments.device)
    if arguments.profile:
        params = of_profile(params, arguments.profile)
    torch.set_num_threads(params.reproducibility.threads)
    name = torch.cuda.get_device_name() if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    chosen = "bfloat16" if has_bfloat16(device) else "float32"
    print(f"{name}, {torch.get_num_threads()} threads: {chosen} is computed in where bfloat16 is asked for")
    for case in cases(params, device):
        case.network.to(device)
        times = [[seconds(case, device, mixed) for mixed in (False, True)] for _ in range(arguments.rounds + 1)]
        exact, mixed = map(statistics.median, zip(*times[1:], strict=True))  # the first warms up
        print(f"{case.name}: bfloat16 takes {mixed / exact:.2f} times as long as float32's {1000 * exact:.0f} ms")
    if arguments.data:
        exact, rounded = (records(arguments.data, params, device, mixed).astype(float) for mixed in (False, True))
        apart = np.abs(exact - rounded)
        print(
            f"{RECORDS} records in both: {apart.max():.0f} µV apart at most, {np.sqrt((apart**2).mean()):.2f} µV in "
            f"root mean square, of records of {exact.std():.0f} µV"
        )


if __name__ == "__main__":
    main()
