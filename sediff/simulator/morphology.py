"""Fitted morphology η = {θ_i, a_i, b_i} by statement and lead, at the reference rate of 60 bpm."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.ecg import INDEPENDENT_LEADS, SAMPLES, SAMPLING_RATE
from sediff.simulator.ode import WAVES, integrate, scale_with_rate
from sediff.simulator.rhythm import phase

ALL = "*"  # the fit to all training records
SETTLING = 3.0  # s, three time constants of dz/dt = −z, simulated before the record begins


@dataclass(frozen=True)
class Morphology:
    """θ_i, a_i, b_i: each (statements, 8, 5); `counts` are training records of the statement."""

    statements: tuple[str, ...]
    counts: tuple[int, ...]
    theta: Tensor
    a: Tensor
    b: Tensor

    def statement_of(self, codes: Sequence[Sequence[str]]) -> list[str]:
        """The statement whose fit stands for a record: the rarest of its own that has one, else all records'.

        The rarest says most: a record with sinus rhythm and left bundle branch block beats like the latter.
        """
        rank = {code: (count, code) for code, count in zip(self.statements, self.counts, strict=True) if code != ALL}
        return [min((code for code in row if code in rank), key=rank.__getitem__, default=ALL) for row in codes]

    def for_statements(self, codes: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor, Tensor]:
        """θ, a, b of each record's statement: each (records, 8, 5)."""
        rows = torch.tensor([self.statements.index(code) for code in self.statement_of(codes)])
        return self.theta[rows], self.a[rows], self.b[rows]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `morphology.parquet`."""
        table = pl.read_parquet(folder / "morphology.parquet")
        statements = tuple(table["statement"].unique(maintain_order=True))
        shape = (len(statements), len(INDEPENDENT_LEADS), len(WAVES))
        theta, a, b = (torch.tensor(table[name].to_numpy().reshape(shape)) for name in ("theta", "a", "b"))
        counts = tuple(table["count"].to_numpy().reshape(shape)[:, 0, 0].tolist())
        return cls(statements, counts, theta, a, b)


def simulate(
    waves: tuple[Tensor, Tensor, Tensor], r_peaks: Sequence[NDArray[np.float64]], heart_rates: Sequence[float]
) -> Tensor:
    """Records of the model alone: (records, 8, 1000) in mV.

    Args:
        waves: θ, a, b at 60 bpm, each (records, 8, 5).
        r_peaks: R peaks of each record in s.
        heart_rates: bpm, for the scaling with rate.
    """
    theta_i, a_i, b_i = waves
    theta_i, b_i = scale_with_rate(theta_i, b_i, torch.tensor(heart_rates, dtype=theta_i.dtype)[:, None])
    step = 1 / SAMPLING_RATE
    settling = round(SETTLING * SAMPLING_RATE)
    half_steps = np.arange(2 * (settling + SAMPLES) - 1) * step / 2 - SETTLING
    phases = torch.from_numpy(np.stack([phase(_backwards(peaks), half_steps) for peaks in r_peaks]))
    return integrate(phases[:, None], step, theta_i, a_i, b_i)[..., settling:]


def _backwards(peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let the first interval go on into the settling time."""
    rr = peaks[1] - peaks[0]
    earlier = peaks[0] - rr * np.arange(int((peaks[0] + SETTLING) / rr) + 1, 0, -1)
    return np.concatenate([earlier, peaks])
