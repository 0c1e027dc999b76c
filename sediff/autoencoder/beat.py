"""The phase-normalised beat: from R - min(0.35 s, 0.45 RR) to R + min(0.6 s, 0.65 RR), on 96 points.

It keeps the P wave of a long PR and the T wave of a long QT, and never holds two QRS.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.ecg import SAMPLES, SAMPLING_RATE

BEAT_SAMPLES = 96
BEFORE, BEFORE_SHARE = 0.35, 0.45
AFTER, AFTER_SHARE = 0.6, 0.65
MAX_BEATS = 4  # beats of a record that L_spec compares


@dataclass(frozen=True)
class BeatGrid:
    """Where the complete beats of each record lie.

    Attributes:
        starts: time of the first sample of each beat, s, (records, MAX_BEATS); the first beat comes first.
        steps: seconds between samples, (records,).
        rr: mean RR interval, s, (records,).
        r_offsets: time from the beat's first sample to R, s, (records,).
    """

    starts: Tensor
    steps: Tensor
    rr: Tensor
    r_offsets: Tensor

    def rows(self, index: Tensor) -> "BeatGrid":
        """The grid of some records."""
        return BeatGrid(self.starts[index], self.steps[index], self.rr[index], self.r_offsets[index])

    def phase(self) -> Tensor:
        """θ = 2πτ/RR of each sample, τ seconds after R: (records, 96)."""
        tau = torch.arange(BEAT_SAMPLES) * self.steps[:, None] - self.r_offsets[:, None]
        return 2 * torch.pi * tau / self.rr[:, None]


def beat_grid(r_peaks: list[NDArray[np.floating]]) -> BeatGrid:
    """Lay the grid over each record's R peaks (seconds); a record needs two peaks or more."""
    starts, steps, mean_rr, offsets = [], [], [], []
    for peaks in r_peaks:
        rr = float(np.mean(np.diff(peaks)))
        before, after = min(BEFORE, BEFORE_SHARE * rr), min(AFTER, AFTER_SHARE * rr)
        complete = [p - before for p in peaks if p >= before and p + after <= (SAMPLES - 1) / SAMPLING_RATE]
        # A record whose beats are all cut keeps its most central one, shifted inside.
        complete = complete or [float(np.clip(peaks[len(peaks) // 2] - before, 0, 9.99 - before - after))]
        chosen = np.linspace(0, len(complete) - 1, MAX_BEATS).round().astype(int)
        starts.append([complete[i] for i in chosen])
        steps.append((before + after) / (BEAT_SAMPLES - 1))
        mean_rr.append(rr)
        offsets.append(before)
    as_tensor = lambda values: torch.tensor(np.array(values), dtype=torch.float32)  # noqa: E731
    return BeatGrid(as_tensor(starts), as_tensor(steps), as_tensor(mean_rr), as_tensor(offsets))


def crop_beats(x: Tensor, grid: BeatGrid) -> Tensor:
    """Cut the beats by linear interpolation: x (batch, leads, 1000) to (batch, MAX_BEATS, leads, 96)."""
    times = grid.starts[:, :, None] + torch.arange(BEAT_SAMPLES) * grid.steps[:, None, None]
    position = (times.to(x.device) * SAMPLING_RATE).clamp(0, SAMPLES - 1.001)
    left = position.long()
    share = (position - left)[:, :, None]
    index = left[:, :, None].expand(-1, -1, x.shape[1], -1)
    signal = x[:, None].expand(-1, index.shape[1], -1, -1)
    return torch.lerp(signal.gather(-1, index), signal.gather(-1, index + 1), share)
