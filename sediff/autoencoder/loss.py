"""L_VAE = L_full + β·L_KL + L_beat + α·L_spec (SE-Diff, part 1), each with a weight.

Two things of our own: a cross-entropy on where the R of D_beat's beat lies, which its shape alone teaches slowly; and
errors within a QRS, a tenth of the time and most of what is measured, may count more.
"""

import torch
from torch import Tensor

from sediff.autoencoder.beat import BeatGrid, crop_beats
from sediff.autoencoder.model import Autoencoder, soft_crop
from sediff.autoencoder.params import AutoencoderParams
from sediff.ecg import SAMPLES, SAMPLING_RATE
from sediff.layers import MILLIVOLTS

EPSILON = 0.05  # floor of a spectrum, in units of MILLIVOLTS: below it is noise
QUADRATIC = 0.2  # in units of MILLIVOLTS: larger errors count linearly, so artefacts do not rule the loss


def vae_loss(
    autoencoder: Autoencoder,
    x: Tensor,
    grid: BeatGrid,
    qrs: Tensor,
    params: AutoencoderParams,
    rng: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_VAE of a batch, and its terms.

    Args:
        x: (batch, 8, 1000) in mV.
        qrs: (batch, 1000), true within a QRS.
    """
    mean, log_variance = autoencoder.encoder(x)
    noise = torch.randn(mean.shape, generator=rng).to(x.device)
    z = mean + noise * (0.5 * log_variance).exp()
    decoded = autoencoder.decoder(z).float()
    place = autoencoder.beat_finder(z).float()
    inside = grid.inside()[:, None]
    beats = crop_beats(x, grid) * inside[:, None] / MILLIVOLTS
    predicted = soft_crop(decoded, place.softmax(-1)) * inside / MILLIVOLTS
    terms = {
        "full": robust((decoded - x) / MILLIVOLTS, 1 + params.qrs_weight * qrs[:, None]),
        "kl": 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).float().mean(),
        "beat": robust(predicted - beats[:, 0]),
        "spectrum": spectral(predicted, beats),
        "place": torch.nn.functional.cross_entropy(place, r_samples(grid)),
    }
    total = (
        params.full_weight * terms["full"]
        + params.kl_weight * terms["kl"]
        + params.beat_weight * terms["beat"]
        + params.place_weight * terms["place"]
        + params.spectrum_weight * terms["spectrum"]
    )
    return total, terms


def r_samples(grid: BeatGrid) -> Tensor:
    """Sample at which the R of each record's first complete beat lies, (batch,)."""
    return (grid.r_peaks[:, 0] * SAMPLING_RATE).round().long().clamp(max=SAMPLES - 1)


def robust(error: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Weighted mean absolute error with a parabola for its tip, up to QUADRATIC (Huber's loss, divided by it)."""
    each = torch.nn.functional.smooth_l1_loss(error, torch.zeros_like(error), beta=QUADRATIC, reduction="none")
    return (weight * each).mean()


def spectral(predicted: Tensor, beats: Tensor) -> Tensor:
    """L_spec: log spectra of the predicted beat (batch, leads, n) against each real one (batch, J, leads, n).

    w(f) falls as 1/(1+k), k the bin, so that the bins where an ECG has its energy count most.
    """
    difference = _log_spectrum(predicted)[:, None] - _log_spectrum(beats)
    weight = 1 / (1 + torch.arange(difference.shape[-1], device=difference.device))
    return (weight * difference**2).sum(-1).mean() / weight.sum()


def _log_spectrum(beat: Tensor) -> Tensor:
    centred = beat - beat.mean(-1, keepdim=True)
    return torch.log(EPSILON + torch.fft.rfft(centred, norm="ortho").abs())
