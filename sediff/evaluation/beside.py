"""Figures under keys of their own, with their intervals beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import interval


def beside(key: str, value: float, drawn: Sequence[float]) -> dict[str, Any]:
    """A figure under its key, with the 95 % interval of bootstrap values beside it as `KEY_interval`."""
    spread = interval(drawn)
    return {key: value, f"{key}_interval": {"low": spread["low"], "high": spread["high"]}}


def known_mean(values: NDArray[np.floating]) -> float:
    """Mean of what is known; NaN where nothing is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def known_interval(drawn: Sequence[float]) -> dict[str, float]:
    """Median and 95 % interval of the bootstrap values that could be told; {} where none could."""
    finite = [value for value in drawn if np.isfinite(value)]
    return interval(finite) if finite else {}
