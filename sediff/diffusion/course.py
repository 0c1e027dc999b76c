"""When a record beats, as the denoiser is told."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import SAMPLES, SAMPLING_RATE
from sediff.simulator.rhythm import NORMAL, VENTRICULAR, beat_at, phase


def record_course(
    peaks: NDArray[np.float64], kinds: Sequence[str], p_onsets: Sequence[float | None]
) -> NDArray[np.float32]:
    """What the denoiser is told of when a record beats, at 100 Hz, (3, 1000): see `record_beats`, `course_channels`."""
    return course_channels(*record_beats(peaks, kinds, p_onsets))


def record_beats(
    peaks: NDArray[np.float64], kinds: Sequence[str], p_onsets: Sequence[float | None]
) -> tuple[NDArray[np.float64], list[str], list[bool]]:
    """R peaks in s that cover the window, of each beat its kind, and whether it has a P wave.

    Args:
        peaks: R peaks in s; the mean RR goes on beyond the outer ones.
        kinds: of each beat, N, V or S.
        p_onsets: of each beat where its P wave begins; None where none was found.
    """
    rr = float(np.mean(np.diff(peaks)))
    duration = SAMPLES / SAMPLING_RATE
    before = peaks[0] - rr * np.arange(int(peaks[0] / rr) + 1, 0, -1)
    after = peaks[-1] + rr * np.arange(1, int((duration - peaks[-1]) / rr) + 2)
    # What lies outside the window, as the first beat's P wave may, is as it mostly is inside.
    found = [onset is not None for onset in p_onsets]
    usual = float(np.mean(found[1:])) > 0.5
    return (
        np.concatenate([before, peaks, after]),
        [*[NORMAL] * len(before), *kinds, *[NORMAL] * len(after)],
        [*[usual] * len(before), found[0] or usual, *found[1:], *[usual] * len(after)],
    )


def course_channels(
    times: NDArray[np.float64], kinds: Sequence[str], with_p: Sequence[bool] | NDArray[np.bool_]
) -> NDArray[np.float32]:
    """θ, 1 where the beat is ventricular, and 1 where it has a P wave, at 100 Hz, (3, 1000).

    Args:
        times: R peaks in s that cover the window.
        kinds: of each beat, N, V or S.
        with_p: of each beat, whether it has a P wave.
    """
    t = np.arange(SAMPLES) / SAMPLING_RATE
    beat = beat_at(times, t)
    ventricular = np.asarray(kinds)[beat] == VENTRICULAR
    return np.stack([phase(times, t), ventricular, np.asarray(with_p)[beat]]).astype(np.float32)
