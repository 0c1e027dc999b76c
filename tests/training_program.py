"""A training in a process of its own, for tests that kill it, share it, or give it too little memory.

`training_program.py FOLDER STEPS [quiet] [thin]` writes `weights.safetensors`, thin: of a network too thin for Muon,
which magnifies the last bits of a gradient; `training_program.py FOLDER memory` trains with a batch that does not fit
and writes what is said.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from sediff.errors import UserError
from sediff.training import Job, Schedule, train

DATA = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))


def main(folder: Path, steps: int, quiet: bool, width: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(16, width), nn.GELU(), nn.Linear(width, 16))
    taken = 0

    def loss(network, x, rng):
        nonlocal taken
        taken += 1
        if not quiet:
            (folder / "progress").write_text(str(taken))
            time.sleep(0.002)
        return (network(x) - x).square().mean(), {}

    job = Job(folder, folder, folder, 0, torch.device("cpu"), checkpoint_every=20)
    train(network, DATA.__getitem__, loss, len(DATA), Schedule(steps, 8, 1e-2, average=0.9), job, "tiny")
    if os.environ.get("RANK", "0") == "0":
        save_file(network.state_dict(), folder / "weights.safetensors")


def too_large(folder: Path) -> None:
    network = nn.Linear(1, 1)

    def loss(network, x, rng):
        wide = network(x.repeat(1, 2**20)[..., None])  # 4 MiB a record and more
        return wide.square().mean(), {}

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    job = Job(folder, folder, folder, 0, torch.device("cpu"))
    try:
        train(network, lambda rows: torch.ones(len(rows), 1), loss, 512, Schedule(2, 512, 1e-3), job, "wide")
    except UserError as error:
        (folder / "said").write_text(json.dumps(str(error)))


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    if sys.argv[2] == "memory":
        too_large(out)
    else:
        main(out, int(sys.argv[2]), "quiet" in sys.argv, 8 if "thin" in sys.argv else 32)
