"""The beat that D_beat gives: 96 samples at 100 Hz from R − 0.35 s, of which those belong to the beat that lie
between R − min(0.35 s, 0.45 RR) and R + min(0.6 s, 0.65 RR).

It keeps the P wave of a long PR and the T wave of a long QT, and never holds two QRS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.ecg import SAMPLES, SAMPLING_RATE

BEAT_SAMPLES = 96
R_SAMPLE = 35  # sample of the beat at which R lies
BEFORE_SHARE, AFTER_SHARE = 0.45, 0.65  # of RR
QRS_REACH = 0.05  # s around R
MAX_BEATS = 4  # beats of a record that L_spec compares


@dataclass(frozen=True)
class BeatGrid:
    """Where the complete beats of each record lie.

    Attributes:
        r_peaks: times of R in s, (records, MAX_BEATS), the first complete beat first.
        rr: mean RR interval in s, (records,).
    """

    r_peaks: Tensor
    rr: Tensor

    def rows(self, index: Tensor) -> "BeatGrid":
        """The grid of some records."""
        return BeatGrid(self.r_peaks[index], self.rr[index])

    def to(self, device: torch.device) -> "BeatGrid":
        """The same on another device."""
        return BeatGrid(self.r_peaks.to(device), self.rr.to(device))

    def phase(self) -> Tensor:
        """θ = 2πτ/RR of each sample, τ seconds after R: (records, 96)."""
        tau = (torch.arange(BEAT_SAMPLES, device=self.rr.device) - R_SAMPLE) / SAMPLING_RATE
        return 2 * torch.pi * tau / self.rr[:, None]

    def inside(self) -> Tensor:
        """1 where a sample belongs to the beat, else 0: (records, 96)."""
        share = self.phase() / (2 * torch.pi)
        return ((share >= -BEFORE_SHARE) & (share <= AFTER_SHARE)).float()


def beat_grid(r_peaks: Sequence[NDArray[np.float64]]) -> BeatGrid:
    """Find the complete beats of each record from its R peaks (seconds); a record needs two peaks or more."""
    chosen, mean_rr = [], []
    for peaks in r_peaks:
        rr = float(np.mean(np.diff(peaks)))
        first = min(R_SAMPLE / SAMPLING_RATE, BEFORE_SHARE * rr)
        last = SAMPLES / SAMPLING_RATE - min((BEAT_SAMPLES - R_SAMPLE) / SAMPLING_RATE, AFTER_SHARE * rr)
        complete = [float(peak) for peak in peaks if first <= peak <= last]
        # A record whose beats are all cut by its edges keeps the most central one.
        complete = complete or [float(peaks[len(peaks) // 2])]
        order = np.linspace(0, len(complete) - 1, MAX_BEATS).round().astype(int)
        chosen.append([complete[position] for position in order])
        mean_rr.append(rr)
    return BeatGrid(torch.tensor(chosen, dtype=torch.float32), torch.tensor(mean_rr, dtype=torch.float32))


def qrs_mask(r_peaks: Sequence[NDArray[np.float64]]) -> Tensor:
    """Where a QRS is, within QRS_REACH of an R peak (seconds): (records, 1000), bool."""
    mask = torch.zeros(len(r_peaks), SAMPLES, dtype=torch.bool)
    reach = np.arange(-round(QRS_REACH * SAMPLING_RATE), round(QRS_REACH * SAMPLING_RATE) + 1)
    for row, peaks in enumerate(r_peaks):
        samples = np.rint(np.asarray(peaks) * SAMPLING_RATE).astype(int)[:, None] + reach
        mask[row, samples[(samples >= 0) & (samples < SAMPLES)]] = True
    return mask


def crop_beats(x: Tensor, grid: BeatGrid) -> Tensor:
    """Cut the beats by linear interpolation: x (batch, leads, 1000) to (batch, MAX_BEATS, leads, 96).

    Beyond the record's edges its outermost sample is repeated.
    """
    offsets = torch.arange(BEAT_SAMPLES, device=x.device) - R_SAMPLE
    position = (grid.r_peaks[:, :, None] * SAMPLING_RATE + offsets).clamp(0, SAMPLES - 1.001)
    left = position.long()
    share = (position - left)[:, :, None]
    index = left[:, :, None].expand(-1, -1, x.shape[1], -1)
    signal = x[:, None].expand(-1, index.shape[1], -1, -1)
    return torch.lerp(signal.gather(-1, index), signal.gather(-1, index + 1), share)
