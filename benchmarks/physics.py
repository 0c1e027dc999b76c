"""What the physics terms cost: `python benchmarks/physics.py [--steps 12] [--device cuda]`.

For each form, with the sizes of params.yaml and on random records: the milliseconds of a training step without the
terms, those that the terms add to a mean step (each the best of several), and their share of the step with them, which
is to be at most 5 %; beside it their share of the arithmetic, as torch counts it, which other work on the machine does
not change.
"""

import argparse
import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from sediff.autocast import autocast
from sediff.autoencoder.beat import beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.course import record_course
from sediff.diffusion.data import TrainingData
from sediff.diffusion.loss import DiffusionLoss
from sediff.diffusion.model import Denoiser
from sediff.diffusion.params import DiffusionParams
from sediff.diffusion.physics import Waves
from sediff.diffusion.physics_forms import FORMS
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, encode_conditions
from sediff.params import Params
from sediff.vocabulary import Vocabulary


def random_data(records: int, buckets: int) -> TrainingData:
    """Records of random latents and one rhythm."""
    peaks = [np.arange(0.5, 9.8, 0.8)] * records
    waves = torch.full((records, 8, 5), 0.3)
    asked = [Condition("sinus rhythm", 60, "male", 75)] * records
    return TrainingData(
        latents=torch.randn(records, 10, 125),
        courses=torch.from_numpy(np.stack([record_course(row, "N" * len(row), row.tolist()) for row in peaks])),
        conditions=encode_conditions(asked, Vocabulary.load(), buckets),
        grid=beat_grid(peaks),
        waves=Waves(waves, waves, waves),
        applies=torch.ones(records),
    )


def step_seconds(loss: DiffusionLoss, denoiser: Denoiser, data: TrainingData, steps: int) -> float:
    """Seconds of forward and backward without physics."""
    device, seconds = data.latents.device, []
    for step in range(steps):
        started = time.perf_counter()
        with autocast(device, loss.params.precision):
            denoising, _, _ = loss.denoise(denoiser, data, torch.Generator().manual_seed(step))
        denoising.backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def arithmetic(loss: DiffusionLoss, denoiser: Denoiser, data: TrainingData) -> tuple[float, float]:
    """Operations of a step without physics, and those that physics adds to a mean step."""
    rng = torch.Generator().manual_seed(0)
    with FlopCounterMode(display=False) as step:
        loss.denoise(denoiser, data, rng)[0].backward()
    estimated, lam = data.latents.clone().requires_grad_(), torch.zeros(len(data.latents), device=data.latents.device)
    with FlopCounterMode(display=False) as added:
        euler, interlead = loss.physics(estimated, lam, data, rng)
        if euler.requires_grad:
            (euler + interlead).backward()
    return float(step.get_total_flops()), added.get_total_flops() / loss.params.physics.every


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    params, device = Params.load(), torch.device(arguments.device)
    torch.set_num_threads(params.reproducibility.threads)
    own: DiffusionParams = params.diffusion
    width, buckets = params.encoder.conditioner.width, params.encoder.conditioner.buckets
    conditioner = Conditioner(len(Vocabulary.load().codes), width, buckets).to(device).requires_grad_(False)
    decoder = Autoencoder(params.autoencoder.width, params.autoencoder.depth).to(device).eval().requires_grad_(False)
    denoiser, data = Denoiser(own.denoiser, width).to(device), random_data(own.batch_size, buckets).to(device)
    print(f"{device.type}, {torch.get_num_threads()} threads; terms on {own.physics.rows} of {own.batch_size} records,")
    print(f"every {own.physics.every} steps\n")
    print("| form | ms a step without | ms added | share | share of the arithmetic |\n|---|---|---|---|---|")
    for name in FORMS:
        form = own.model_copy(update={"physics": own.physics.model_copy(update={"form": name})})
        loss = DiffusionLoss(form, conditioner, decoder, data.latents)
        plain, added = step_seconds(loss, denoiser, data, arguments.steps), loss.physics_seconds(data)
        step, more = arithmetic(loss, denoiser, data)
        shares = f"{added / (plain + added):.1%} | {more / (step + more):.1%}"
        print(f"| {name} | {1000 * plain:.0f} | {1000 * added:.1f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
