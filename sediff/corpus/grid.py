"""From any sampling rate to the project's 100 Hz."""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from sediff.ecg import SAMPLES, SAMPLING_RATE


def on_grid(signal: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Resample to 100 Hz by a polyphase filter (zero phase, reflected edges) and take the first 10 s.

    Args:
        signal: (leads, samples), any unit, 10 s or more.
        rate: Hz, a whole number, 100 or more.

    Returns:
        (leads, 1000); the very same samples at 100 Hz.
    """
    if rate != SAMPLING_RATE:
        common = gcd(int(rate), SAMPLING_RATE)
        up, down = SAMPLING_RATE // common, int(rate) // common
        signal = resample_poly(signal, up, down, axis=1, window=_low_pass(max(up, down)), padtype="reflect")
    return signal[:, :SAMPLES]


@lru_cache(maxsize=16)
def _low_pass(ratio: int) -> NDArray[np.float64]:
    """The filter that `resample_poly` would design anew for each record."""
    return firwin(20 * ratio + 1, 1 / ratio, window=("kaiser", 5.0))
