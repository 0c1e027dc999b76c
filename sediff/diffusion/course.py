"""When a record beats, as the denoiser is told."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import SAMPLES, SAMPLING_RATE
from sediff.simulator.rhythm import NORMAL, VENTRICULAR, beat_at, phase


def record_course(peaks: NDArray[np.float64], kinds: Sequence[str]) -> NDArray[np.float32]:
    """What the denoiser is told of when a record beats: θ, and 1 where the beat is ventricular, at 100 Hz, (2, 1000).

    Args:
        peaks: R peaks in s; the mean RR goes on beyond the outer ones.
        kinds: of each beat, N, V or S.
    """
    rr = float(np.mean(np.diff(peaks)))
    duration = SAMPLES / SAMPLING_RATE
    before = peaks[0] - rr * np.arange(int(peaks[0] / rr) + 1, 0, -1)
    after = peaks[-1] + rr * np.arange(1, int((duration - peaks[-1]) / rr) + 2)
    return course_channels(
        np.concatenate([before, peaks, after]), [*[NORMAL] * len(before), *kinds, *[NORMAL] * len(after)]
    )


def course_channels(times: NDArray[np.float64], kinds: Sequence[str]) -> NDArray[np.float32]:
    """The same of R peaks in s that cover the window, and of what beats they are."""
    t = np.arange(SAMPLES) / SAMPLING_RATE
    ventricular = np.asarray(kinds)[beat_at(times, t)] == VENTRICULAR
    return np.stack([phase(times, t), ventricular]).astype(np.float32)
