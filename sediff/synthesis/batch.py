"""The batch that fills a card. A row's last bits depend on it, so it is measured once and written into params.yaml."""

import time
from collections.abc import Callable

import torch

from sediff.autocast import autocast
from sediff.autoencoder.model import LATENT_CHANNELS, LATENT_STEPS
from sediff.diffusion.model import RHYTHM_CHANNELS, Denoiser
from sediff.diffusion.params import DenoiserParams

SMALLEST, LARGEST = 64, 4096
GAIN = 1.1  # a batch twice as large is worth its memory if the rate rises so much
TOKENS = 22  # of a condition
ROUNDS = 3


def filling_batch(rate: Callable[[int], float]) -> int:
    """The batch from which on twice as many records are made hardly faster, or do not fit; a power of two.

    Args:
        rate: records a second at a batch; raises `torch.OutOfMemoryError` where it does not fit.
    """
    batch, found = SMALLEST, rate(SMALLEST)
    while batch < LARGEST:
        try:
            doubled = rate(2 * batch)
        except torch.OutOfMemoryError:
            break
        if doubled < GAIN * found:
            break
        batch, found = 2 * batch, doubled
    return batch


def denoiser_rate(params: DenoiserParams, context: int, device: torch.device) -> Callable[[int], float]:
    """Records that a denoiser of a size sees in a second, in bfloat16; it need not be trained.

    Args:
        context: width of the conditioner.
    """
    denoiser = Denoiser(params, context).to(device).eval()

    @torch.no_grad()
    def rate(batch: int) -> float:
        z_t = torch.randn(batch, LATENT_CHANNELS, LATENT_STEPS, device=device)
        rhythm = torch.zeros(batch, RHYTHM_CHANNELS, LATENT_STEPS, device=device)
        tokens, lam = torch.randn(batch, TOKENS, context, device=device), torch.zeros(batch, device=device)
        mask, times = torch.ones(batch, TOKENS, dtype=torch.bool, device=device), []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            with autocast(device, "bfloat16"):
                float(denoiser(z_t, lam, rhythm, tokens, mask).sum())  # to float: waits for the device
            times.append(time.perf_counter() - started)
        return batch / min(times)

    return rate


def batch_here(params: DenoiserParams, context: int) -> int:
    """The batch that fills this machine's GPU; the smallest where torch sees none."""
    if not torch.cuda.is_available():
        return SMALLEST
    return filling_batch(denoiser_rate(params, context, torch.device("cuda")))
