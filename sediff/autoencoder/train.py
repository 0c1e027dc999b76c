"""The autoencoder stage: train E, D and D_beat, measure the latent's scale, write the latents."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid, beat_grid, qrs_mask
from sediff.autoencoder.fidelity import BATCH, changes, class_beat_error, reconstruct
from sediff.autoencoder.loss import vae_loss
from sediff.autoencoder.model import LATENT_CHANNELS, Autoencoder
from sediff.autoencoder.params import AutoencoderParams
from sediff.autoencoder.pictures import draw_reconstructions
from sediff.ecg import independent_leads
from sediff.errors import UserError
from sediff.files import write_json
from sediff.records import read_columns, read_signals
from sediff.seeds import seed_of
from sediff.training import Job, Schedule, Terms, train

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
    peaks = [np.asarray(row) for row in records["r_peaks"].to_list()]
    grid, qrs = beat_grid(peaks), qrs_mask(peaks)
    rows = torch.from_numpy(np.flatnonzero(split == "train"))
    torch.manual_seed(seed_of(job.seed, "autoencoder"))
    autoencoder = Autoencoder(params.width, params.depth)
    if job.begin(autoencoder, "autoencoder"):
        autoencoder.forget_standards()  # the latent is standardised by what this training makes of it

    def batch(index: Tensor) -> tuple[Tensor, BeatGrid, Tensor]:
        chosen = rows[index]
        return signals[chosen], grid.rows(chosen), qrs[chosen]

    def loss(
        network: Autoencoder, batch: tuple[Tensor, BeatGrid, Tensor], rng: torch.Generator
    ) -> tuple[Tensor, Terms]:
        x, beats, inside = batch
        return vae_loss(network, x.float() / 1000, beats, inside, params, rng)

    schedule = Schedule(
        job.steps(params.steps), min(params.batch_size, len(rows)), params.learning_rate, precision=params.precision
    )
    curves = train(autoencoder, batch, loss, len(rows), schedule, job, "autoencoder").curves
    autoencoder.cpu().eval().requires_grad_(False)
    latents = encode(autoencoder, signals[rows])
    standardise(autoencoder, latents)
    autoencoder.save(job.out)
    save_file({"latents": (latents - autoencoder.shift) / autoencoder.scale}, job.out / "latents.safetensors")

    held_out = np.flatnonzero(split == "test")
    metrics = _measure(autoencoder, signals, grid, records, rows.numpy(), held_out, job.report)
    write_json(job.report / "metrics.json", metrics)
    write_json(job.report / "curves.json", {"autoencoder": curves})
    error = metrics.get("absolute_error_uv", {}).get("median")
    told = f"median absolute error {error} µV on {len(held_out)} test records" if error else "no test record to score"
    return f"latent 10 × 125 of {len(rows)} training records, {told}"


def encode(autoencoder: Autoencoder, signals: Tensor) -> Tensor:
    """Latents of signals (n, 8, 1000) in int16 µV, in batches: (n, 10, 125)."""
    with torch.no_grad():
        return torch.cat([autoencoder.encode(part.float() / 1000) for part in signals.split(BATCH)])


def standardise(autoencoder: Autoencoder, latents: Tensor) -> None:
    """Set shift and scale so that the latents (n, 10, 125) have mean 0 and deviation 1 in each channel."""
    shift = latents.mean((0, 2)).reshape(LATENT_CHANNELS, 1)
    scale = latents.std((0, 2)).reshape(LATENT_CHANNELS, 1)
    if not bool((scale > SMALLEST_SCALE).all()):
        raise UserError("A latent channel carries nothing: lower autoencoder.kl_weight or train longer.")
    autoencoder.shift.copy_(shift)
    autoencoder.scale.copy_(scale)


def _measure(
    autoencoder: Autoencoder,
    signals: Tensor,
    grid: BeatGrid,
    records: pl.DataFrame,
    training: NDArray[np.intp],
    held_out: NDArray[np.intp],
    report: Path,
) -> dict[str, Any]:
    """Errors and changes on held-out records, and the picture of the best, the median and the worst.

    It names records by their place among the test records, as it may be shown where their ids may not.
    """
    if not len(held_out):
        return {}
    index = torch.from_numpy(held_out)
    result = reconstruct(autoencoder, signals[index], grid.rows(index))
    order = np.argsort(result.error, kind="stable")
    pairs = {}
    for label, row in {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}.items():
        title = f"{label}: test record {row + 1} of {len(held_out)}, {result.error[row]:.0f} µV"
        pairs[title] = (signals[held_out[row]].numpy() / 1000, result.decoded[row])
    draw_reconstructions(pairs, report / "plots" / "reconstructions.png")
    class_beat = class_beat_error(signals, grid, records, training, held_out)
    return {
        "test_records": len(held_out),
        "absolute_error_uv": _quantiles(result.error),
        "beat_error_uv": {**_quantiles(result.beat_error), "of_class_beat": _quantiles(class_beat)},
        "changes": changes(signals[index].numpy(), result.decoded),
    }


def _quantiles(error: NDArray[np.floating]) -> dict[str, float]:
    middle, high = np.percentile(error, (50, 90))
    return {"median": round(float(middle), 2), "ninetieth_percentile": round(float(high), 2)}
