"""The autoencoder stage: train E, D and D_beat, measure the latent's scale, write the latents."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid, beat_grid, crop_beats
from sediff.autoencoder.loss import vae_loss
from sediff.autoencoder.model import LATENT_CHANNELS, Autoencoder
from sediff.autoencoder.params import AutoencoderParams
from sediff.autoencoder.pictures import draw_reconstructions
from sediff.ecg import independent_leads
from sediff.errors import UserError
from sediff.files import write_json
from sediff.records import read_columns, read_signals
from sediff.training import Job, Schedule, seed_of, train

BATCH = 256
SMALLEST_SCALE = 1e-3


def train_autoencoder(params: AutoencoderParams, corpus: Path, job: Job) -> str:
    """Write `autoencoder.*` and `latents.safetensors` (training records, in corpus order) into the job's `out`.

    Raises:
        UserError: no training record, or a latent channel that carries nothing.
    """
    records = read_columns(corpus / "records")
    split = records["split"].to_numpy()
    if not (split == "train").any():
        raise UserError("corpus has no training record: check corpus.folds.")
    signals = torch.from_numpy(independent_leads(read_signals(corpus / "records")))
    grid = beat_grid([np.asarray(peaks) for peaks in records["r_peaks"].to_list()])
    rows = torch.from_numpy(np.flatnonzero(split == "train"))
    torch.manual_seed(seed_of(job.seed, "autoencoder"))
    autoencoder = Autoencoder(params.width, params.depth).to(job.device)

    def loss(index: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = rows[index]
        x = signals[chosen].to(job.device).float() / 1000
        return vae_loss(autoencoder, x, grid.rows(chosen).to(job.device), params, rng)

    schedule = Schedule(
        params.steps, min(params.batch_size, len(rows)), params.learning_rate, precision=params.precision
    )
    _, curves = train(autoencoder, loss, len(rows), schedule, job, "autoencoder")
    autoencoder.cpu().eval().requires_grad_(False)
    latents = encode(autoencoder, signals[rows])
    standardise(autoencoder, latents)
    autoencoder.save(job.out)
    save_file({"latents": (latents - autoencoder.shift) / autoencoder.scale}, job.out / "latents.safetensors")

    held_out = torch.from_numpy(np.flatnonzero(split == "test"))
    metrics = _reconstruction(autoencoder, signals, grid, held_out, job.report)
    write_json(job.report / "metrics.json", metrics)
    write_json(job.report / "curves.json", {"autoencoder": curves})
    error = metrics.get("absolute_error_uv", {}).get("median")
    told = f"median absolute error {error} µV on {len(held_out)} test records" if error else "no test record to score"
    return f"latent 8 × 125 of {len(rows)} training records, {told}"


def encode(autoencoder: Autoencoder, signals: Tensor) -> Tensor:
    """Latents of signals (n, 8, 1000) in int16 µV, in batches: (n, 8, 125)."""
    with torch.no_grad():
        return torch.cat([autoencoder.encode(part.float() / 1000) for part in signals.split(BATCH)])


def standardise(autoencoder: Autoencoder, latents: Tensor) -> None:
    """Set shift and scale so that the latents (n, 8, 125) have mean 0 and deviation 1 in each channel."""
    shift = latents.mean((0, 2)).reshape(LATENT_CHANNELS, 1)
    scale = latents.std((0, 2)).reshape(LATENT_CHANNELS, 1)
    if not bool((scale > SMALLEST_SCALE).all()):
        raise UserError("A latent channel carries nothing: lower autoencoder.kl_weight or train longer.")
    autoencoder.shift.copy_(shift)
    autoencoder.scale.copy_(scale)


def _reconstruction(autoencoder: Autoencoder, signals: Tensor, grid: BeatGrid, rows: Tensor, report: Path) -> dict:
    """Absolute error of reconstructions and of D_beat on held-out records, µV, and their picture.

    The picture names records by their place among the test records, as it may be shown where their ids may not.
    """
    if not len(rows):
        return {}
    errors: list[NDArray] = []
    beat_errors: list[NDArray] = []
    with torch.no_grad():
        for part in rows.split(BATCH):
            x = signals[part].float() / 1000
            z = autoencoder.encode(x)
            errors.append((autoencoder.decode(z) - x).abs().mean((1, 2)).numpy() * 1000)
            inside = grid.rows(part).inside()[:, None]
            difference = (autoencoder.decode_beat(z) - crop_beats(x, grid.rows(part))[:, 0]).abs() * inside
            beat_errors.append((difference.sum(-1) / inside.sum(-1)).mean(-1).numpy() * 1000)
    error = np.concatenate(errors)
    order = np.argsort(error, kind="stable")
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    pairs = {}
    for label, position in chosen.items():
        x = signals[rows[position]][None].float() / 1000
        with torch.no_grad():
            decoded = autoencoder.decode(autoencoder.encode(x))[0]
        title = f"{label}: test record {position + 1} of {len(rows)}, {error[position]:.0f} µV"
        pairs[title] = (x[0].numpy(), decoded.numpy())
    draw_reconstructions(pairs, report / "plots" / "reconstructions.png")
    quantiles = {"median": 50, "ninetieth_percentile": 90}
    return {
        "test_records": len(rows),
        "absolute_error_uv": {n: round(float(np.percentile(error, q)), 2) for n, q in quantiles.items()},
        "beat_error_uv": {"median": round(float(np.median(np.concatenate(beat_errors))), 2)},
    }
