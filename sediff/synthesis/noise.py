"""Noise as a function of what it is for, so that a record has the same wherever and whenever it is made."""

import numpy as np
import torch
from torch import Tensor

from sediff.seeds import seed_of


def normal(shape: tuple[int, ...], *parts: object) -> Tensor:
    """Standard normal numbers, float32, that depend on all parts.

    By numpy: torch's generator on a CPU takes 32 bits of its seed, so that of a million records some hundred would
    share their noise with another.
    """
    rng = np.random.default_rng(seed_of(*parts))
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
