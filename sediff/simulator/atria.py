"""What fibrillating and fluttering atria add to the waves of the beats, in mV on the eight independent leads."""

import numpy as np
from numpy.typing import NDArray

# From textbook descriptions: f waves are largest in V1, flutter's saw teeth point down in the inferior leads.
F_WAVES = np.array([0.010, 0.03, 0.055, 0.03, 0.015, 0.01, 0.01, 0.01])
SAW_TEETH = np.array([0.02, -0.13, 0.09, 0.03, 0.01, -0.02, -0.03, -0.03])
F_FREQUENCIES = (5.0, 8.0)  # Hz; with the wandering they stay within 4 to 9 Hz
SIZES = (0.6, 1.4)
RISE = 0.3  # of a saw tooth


def fibrillation(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """f waves at times t (n,) in s, wandering in frequency and size: (8, n)."""
    wander = 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * t + rng.uniform(0, 2 * np.pi))
    frequency = rng.uniform(*F_FREQUENCIES) + wander
    angle = 2 * np.pi * np.cumsum(frequency) * (t[1] - t[0]) + rng.uniform(0, 2 * np.pi)
    size = rng.uniform(*SIZES) * (1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * t + rng.uniform(0, 2 * np.pi)))
    return np.outer(F_WAVES, size * (np.sin(angle) + 0.3 * np.sin(2 * angle + 1)))


def flutter(t: NDArray[np.float64], begins: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Saw teeth at times t (n,) in s that begin at some times, without pause between them: (8, n)."""
    turn = np.interp(t, begins, np.arange(len(begins))) % 1
    tooth = np.where(turn < RISE, turn / RISE, (1 - turn) / (1 - RISE)) - 0.5
    return np.outer(SAW_TEETH, rng.uniform(*SIZES) * tooth)
