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
OWN, SUPERCLASS = "statement", "superclass"  # whose beat was fitted: the statement's own, or a wider group's
SETTLING = 3.0  # s, three time constants of dz/dt = −z, simulated before the record begins
INTEGRATION_RATE = 500  # Hz: at 100 Hz the narrowest waves would be off by a tenth
BATCH = 64  # records integrated at once


@dataclass(frozen=True)
class Morphology:
    """θ_i, a_i, b_i: each (statements, 8, 5); `counts` are training records of the statement.

    `sources` says whose beat each was fitted to: "statement" (the default), "superclass" or "all".
    """

    statements: tuple[str, ...]
    counts: tuple[int, ...]
    theta: Tensor
    a: Tensor
    b: Tensor
    sources: tuple[str, ...] = ()

    def statement_of(self, codes: Sequence[Sequence[str]]) -> list[str]:
        """The statement whose fit stands for a record: the rarest of its own that has a fit of its own.

        The rarest says most: a record with sinus rhythm and left bundle branch block beats like the latter. Where
        none has, it is the rarest with its superclass's fit, else the fit to all records.
        """
        sources = self.sources or (OWN,) * len(self.statements)
        order = (OWN, SUPERCLASS)
        rank = {
            code: (order.index(source), count, code)
            for code, count, source in zip(self.statements, self.counts, sources, strict=True)
            if code != ALL and source in order
        }
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
        sources = tuple(table["source"].to_numpy().reshape(shape)[:, 0, 0].tolist())
        return cls(statements, counts, theta, a, b, sources)


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
    every = INTEGRATION_RATE // SAMPLING_RATE
    steps = round(SETTLING * INTEGRATION_RATE) + every * (SAMPLES - 1)
    half_steps = np.arange(2 * steps + 1) / (2 * INTEGRATION_RATE) - SETTLING
    parts = []
    for start in range(0, len(r_peaks), BATCH):
        rows = slice(start, start + BATCH)
        phases = torch.from_numpy(np.stack([phase(_backwards(peaks), half_steps) for peaks in r_peaks[rows]]))
        z = integrate(phases[:, None], 1 / INTEGRATION_RATE, theta_i[rows], a_i[rows], b_i[rows])
        parts.append(z[..., -every * (SAMPLES - 1) - 1 :: every])
    return torch.cat(parts)


def _backwards(peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let the first interval go on into the settling time."""
    rr = peaks[1] - peaks[0]
    earlier = peaks[0] - rr * np.arange(int((peaks[0] + SETTLING) / rr) + 1, 0, -1)
    return np.concatenate([earlier, peaks])
