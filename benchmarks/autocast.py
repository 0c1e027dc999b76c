"""What bfloat16 is worth on this device: `python benchmarks/autocast.py [--rounds 5] [--profile NAME]`.

Times a forward and backward pass of the autoencoder, the judge and the denoiser of params.yaml on a batch of random
records, in turns in float32 and in mixed bfloat16, and prints how many times as long bfloat16 takes (medians), beside
what `sediff/autocast.py` chooses here.
"""

import argparse
import statistics
import time

import torch
from training import Case, cases, of_profile

from sediff.autocast import has_bfloat16
from sediff.configure import PROFILES
from sediff.params import Params


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


def main() -> None:
    """Print a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", choices=sorted(path.stem for path in PROFILES.glob("*.yaml")))
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


if __name__ == "__main__":
    main()
