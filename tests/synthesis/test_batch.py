import pytest
import torch

from sediff.diffusion.params import DenoiserParams
from sediff.synthesis.batch import LARGEST, SMALLEST, denoiser_rate, filling_batch


@pytest.mark.parametrize(
    ("full", "fits", "batch"), [(500, 10**6, 512), (10**6, 10**6, LARGEST), (10**6, 300, 256), (1, 1, SMALLEST)]
)
def test_the_batch_grows_while_it_pays_and_fits(full, fits, batch):
    """On a card that is full from some batch on, and has memory for some."""

    def rate(records: int) -> float:
        if records > max(fits, SMALLEST):
            raise torch.OutOfMemoryError
        return min(records, full) / 2.0

    assert filling_batch(rate) == batch


def test_the_rate_is_that_of_a_denoiser():
    rate = denoiser_rate(DenoiserParams(width=24, depth=1, heads=2), 16, torch.device("cpu"))
    assert rate(4) > 0
    assert filling_batch(lambda batch: rate(batch) if batch < 256 else 0.0) in (64, 128)
