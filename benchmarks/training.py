"""How busy a training keeps its device: `python benchmarks/training.py [--steps 30] [--device cuda] [--profile NAME]`.

For the autoencoder, the judge and the denoiser of params.yaml, on random records: records a second, the share of time
for which a step waits for its batch, and the arithmetic of a step (as torch counts it) a second as a share of what a
large matrix product of the same precision reaches on this device in the same run, before or after. The arithmetic is
that of the forward and backward pass, and beside it with the optimiser's own, whose matrix products a step needs as
well. On a CPU the shares are also given in processor time, which other work on the machine lengthens less. `--profile`
takes a profile's networks.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sediff.autocast import has_bfloat16
from sediff.autoencoder.beat import beat_grid, qrs_mask
from sediff.autoencoder.loss import vae_loss
from sediff.autoencoder.model import Autoencoder
from sediff.configure import PROFILES
from sediff.diffusion.course import record_course
from sediff.diffusion.data import TrainingData
from sediff.diffusion.loss import DiffusionLoss
from sediff.diffusion.model import Denoiser
from sediff.diffusion.physics import Waves
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, encode_conditions
from sediff.encoder.judge import Judge
from sediff.params import Params
from sediff.training import Batch, Job, Loss, Schedule, Trained, train
from sediff.training.optimiser import Optimiser
from sediff.vocabulary import Vocabulary

RECORDS = 512
PRODUCT = 2048  # rows and columns of the matrix product


class Case(NamedTuple):
    """A training: `records` is indexed by rows and gives a batch."""

    name: str
    network: nn.Module
    records: Any
    loss: Loss
    batch_size: int
    precision: str
    compiled: bool = False


def cases(params: Params, device: torch.device) -> Iterator[Case]:
    """The trainings, with random records."""
    vocabulary, rng = Vocabulary.load(), np.random.default_rng(0)
    signals = torch.from_numpy(rng.integers(-500, 500, (RECORDS, 8, 1000)).astype(np.int16))
    peaks = [np.arange(0.5, 9.8, 0.8)] * RECORDS
    grid, qrs = beat_grid(peaks), qrs_mask(peaks)
    autoencoder = Autoencoder(params.autoencoder.width, params.autoencoder.depth)

    def vae(network: Autoencoder, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return vae_loss(network, batch[0].float() / 1000, batch[1], batch[2], params.autoencoder, rng)

    def of_signals(rows: Tensor) -> Batch:
        return signals[rows], grid.rows(rows), qrs[rows]

    own = params.autoencoder
    yield Case("autoencoder", autoencoder, of_signals, vae, own.batch_size, own.precision)

    judge = Judge(vocabulary.codes, params.encoder.judges.statement.width)
    labels = torch.from_numpy((rng.random((RECORDS, judge.head.out_features)) < 0.1).astype(np.float32))

    def supervised(network: Judge, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return nn.functional.binary_cross_entropy_with_logits(network(batch[0].float() / 1000), batch[1]), {}

    def labelled(rows: Tensor) -> Batch:
        return signals[rows], labels[rows]

    yield Case("judge", judge, labelled, supervised, params.encoder.judges.statement.batch_size, "bfloat16")

    asked = [Condition("sinus rhythm", 60, "male", 75)] * RECORDS
    buckets, width = params.encoder.conditioner.buckets, params.encoder.conditioner.width
    conditioner = Conditioner(len(vocabulary.codes), width, buckets)
    waves = torch.full((RECORDS, 8, 5), 0.3)
    data = TrainingData(
        latents=torch.randn(RECORDS, 10, 125),
        courses=torch.from_numpy(np.stack([record_course(row, "N" * len(row), row.tolist()) for row in peaks])),
        conditions=encode_conditions(asked, vocabulary, buckets),
        grid=grid,
        waves=Waves(waves, waves, waves),
        applies=torch.ones(RECORDS),
    )
    frozen = autoencoder.to(device).eval().requires_grad_(False)
    loss = DiffusionLoss(
        params.diffusion, conditioner.to(device).requires_grad_(False), frozen, data.latents.to(device)
    )
    own = params.diffusion
    yield Case("denoiser", Denoiser(own.denoiser, width), data.rows, loss, own.batch_size, own.precision, own.compiled)


def product_rates(device: torch.device, precision: str) -> tuple[float, float]:
    """Operations of a square matrix product in a second, and in one of processor time: the best of ten."""
    a, b = (torch.randn(PRODUCT, PRODUCT, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    seconds, processor = [], []
    for _ in range(10):
        started, spent = time.perf_counter(), time.process_time()
        float((a @ b)[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - spent)
    return 2 * PRODUCT**3 / min(seconds), 2 * PRODUCT**3 / min(processor)


def of_profile(params: Params, profile: str) -> Params:
    """The parameters with the networks of a profile."""
    sizes = yaml.safe_load((PROFILES / f"{profile}.yaml").read_text(encoding="utf-8"))
    values = params.model_dump()
    values["diffusion"]["denoiser"] |= sizes["diffusion"]["denoiser"]
    values["diffusion"]["compiled"] = sizes["diffusion"]["compiled"]
    values["autoencoder"] |= sizes["autoencoder"]
    values["encoder"]["judges"]["statement"] |= sizes["encoder"]["judges"]["statement"]
    return Params.model_validate(values)


def operations(case: Case, device: torch.device) -> tuple[float, float]:
    """Operations of one step's forward and backward pass, and with its optimiser's."""
    network = case.network.to(device)
    batch = case.records(torch.arange(case.batch_size))
    batch = tuple(part.to(device) for part in batch) if isinstance(batch, tuple) else batch.to(device)
    with FlopCounterMode(display=False) as counter:
        case.loss(network, batch, torch.Generator().manual_seed(0))[0].backward()
        passes = float(counter.get_total_flops())
        Optimiser(network, 0.0, 0.0).step(0.0)
    return passes, float(counter.get_total_flops())


def trained_for(steps: int, case: Case, device: torch.device) -> Trained:
    """Train for some steps."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job(*[Path(folder)] * 3, 0, device, checkpoint_every=10**9)
        schedule = Schedule(steps, case.batch_size, 1e-4, precision=case.precision, compiled=case.compiled)
        return train(case.network, case.records, case.loss, RECORDS, schedule, job, case.name)


def main() -> None:
    """Print a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", choices=sorted(path.stem for path in PROFILES.glob("*.yaml")))
    parser.add_argument("--only", choices=("autoencoder", "judge", "denoiser"))
    arguments = parser.parse_args()
    params, device = Params.load(), torch.device(arguments.device)
    if arguments.profile:
        params = of_profile(params, arguments.profile)
    torch.set_num_threads(params.reproducibility.threads)
    name = torch.cuda.get_device_name() if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    print(f"{name}, {torch.get_num_threads()} threads, {arguments.steps} steps each")
    for case in cases(params, device):
        if arguments.only not in (None, case.name):
            continue
        precision = case.precision if has_bfloat16(device) else "float32"
        (passes, whole), before = operations(case, device), product_rates(device, precision)
        if case.compiled:
            trained_for(2, case, device)  # compiles
        spent = time.process_time()
        trained = trained_for(arguments.steps, case, device)
        spent = time.process_time() - spent
        rate, on_processor = map(max, before, product_rates(device, precision))
        steps = trained.rate / case.batch_size
        print(
            f"{case.name}: {trained.rate:.0f} records/s, waits {trained.waited:.1%} of the time, "
            f"{passes * steps / rate:.0%} of a matrix product's {rate / 1e9:.0f} GFLOP/s ({precision}), "
            f"{whole * steps / rate:.0%} with the optimiser's products"
        )
        if device.type == "cpu":
            steps = arguments.steps / spent
            print(
                f"  in processor time {passes * steps / on_processor:.0%} of {on_processor / 1e9:.0f} GFLOP/s a core, "
                f"{whole * steps / on_processor:.0%} with the optimiser's products"
            )


if __name__ == "__main__":
    main()
