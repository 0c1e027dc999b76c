"""The forms of the physics terms; `diffusion.physics.form` names one of `FORMS`.

With ĥ = D_beat(ẑ₀), h₀ = D_beat(z₀), s the slope of a beat and f(h; η) McSharry's field, L_Euler is the mean of

    paper         (s(ĥ) − f(ĥ; η))²  of the class's η, with θ = 2πτ / 1 s, from R − 0.2 s to R + 0.4 s
    paper-scaled  the same with θ = 2πτ / RR and η at the record's rate, over the whole beat
    derivative    (s(ĥ) − s(h₀))²    the control: it knows no simulator
    record        as paper-scaled, midway, of the record's own η; silent where it has none
    hinge         max(0, L(ĥ) − L(h₀)), L as paper-scaled, midway: what real beats have costs nothing
    shrinkage     as paper-scaled, midway, of records whose statement has fewer than `rare` cases alone

and L_interlead takes the same slopes and fields. s is a forward difference, which is the slope half a sample later:
midway, f is taken there, while the paper takes it at the sample itself. f is affine in h, so a class's η pulls beats
towards the class's mean. `benchmarks/admissibility.py` has what each form does to real records.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sediff.autoencoder.beat import R_SAMPLE, BeatGrid
from sediff.diffusion.params import PhysicsParams
from sediff.diffusion.physics import Waves, euler_loss, field, interlead_loss, slopes
from sediff.ecg import INDEPENDENT_LEADS, SAMPLING_RATE
from sediff.records import read_table
from sediff.simulator.morphology import Morphology
from sediff.simulator.ode import REFERENCE_RATE, WAVES, RateExponents
from sediff.simulator.ode import Waves as FittedWaves

CROP = (-0.2, 0.4)  # s around R, the paper's beat
# Of a log-SNR λ (batch,), by the parameter's value.
WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "snr/(1+snr)": torch.sigmoid,
    "min(snr,1)": lambda lam: lam.exp().clamp(max=1),
    "1": torch.ones_like,
}


@dataclass(frozen=True)
class Form:
    """How the terms are formed.

    Attributes:
        of: whose slope a beat should have: the class's or the record's η gives it, or the real beat itself.
        scaled: whether θ and η go with the record's rate; else both are those of 60 bpm.
        cropped: whether the beat is the paper's crop.
        midway: whether the field is taken between two samples, where their difference is the slope.
        hinged: whether only what exceeds the real beat's own term counts.
        rare: whether only records of rare statements count.
    """

    of: Literal["class", "record", "real beat"]
    scaled: bool = True
    cropped: bool = False
    midway: bool = False
    hinged: bool = False
    rare: bool = False

    @property
    def compares(self) -> bool:
        """Whether it needs the real beat."""
        return self.hinged or self.of == "real beat"

    def __call__(self, beat: Tensor, real: Tensor, grid: BeatGrid, waves: Waves) -> tuple[Tensor, Tensor]:
        """L_Euler and L_interlead of beats (batch, leads, 96) in mV: (batch,) each, in (mV/s)².

        Args:
            real: beats of the real records, of the same shape; any where the form does not compare.
            waves: as `simulated` gives them.
        """
        euler, interlead = self._terms(beat, real, grid, waves)
        if not self.hinged:
            return euler, interlead
        least_euler, least_interlead = self._terms(real, real, grid, waves)
        return (euler - least_euler).relu(), (interlead - least_interlead).relu()

    def _terms(self, beat: Tensor, real: Tensor, grid: BeatGrid, waves: Waves) -> tuple[Tensor, Tensor]:
        phase, inside = self._geometry(grid)
        slope = slopes(beat)
        at, theta = (_between(beat), _between(phase)) if self.midway else (beat[..., :-1], phase[:, :-1])
        vector = slopes(real) if self.of == "real beat" else field(at, theta, waves)
        return euler_loss(slope, vector, inside[:, :-1]), interlead_loss(slope, vector, inside[:, :-1])

    def _geometry(self, grid: BeatGrid) -> tuple[Tensor, Tensor]:
        """θ of each sample of the beat, and 1 where it counts: (batch, 96) each."""
        if not self.scaled:
            grid = BeatGrid(grid.r_peaks, torch.full_like(grid.rr, 60 / REFERENCE_RATE))
        phase, inside = grid.phase(), grid.inside()
        if self.cropped:
            tau = (torch.arange(phase.shape[-1], device=phase.device) - R_SAMPLE) / SAMPLING_RATE
            inside = inside * ((tau >= CROP[0]) & (tau <= CROP[1]))
        return phase, inside


def _between(x: Tensor) -> Tensor:
    """Means of neighbouring samples: (..., n) to (..., n - 1)."""
    return (x[..., 1:] + x[..., :-1]) / 2


FORMS: dict[str, Form | None] = {
    "none": None,
    "paper": Form("class", scaled=False, cropped=True),
    "paper-scaled": Form("class"),
    "derivative": Form("real beat"),
    "record": Form("record", midway=True),
    "hinge": Form("class", midway=True, hinged=True),
    "shrinkage": Form("class", midway=True, rare=True),
}


def simulated(params: PhysicsParams, records: pl.DataFrame, simulator: Path) -> tuple[Waves, Tensor]:
    """η of each record as the form wants it, and 1 where the terms are taken of the record, else 0: (records,).

    Args:
        records: of the corpus, with `record_id`, `statements` and `heart_rate`.
    """
    form, morphology = FORMS[params.form], Morphology.load(simulator)
    statements = records["statements"].to_list()
    rates = torch.tensor(records["heart_rate"].to_numpy().astype(np.float32))
    scaled = form is None or form.scaled
    waves = morphology.at_rates(statements, rates) if scaled else morphology.for_statements(statements)
    applies = torch.ones(len(records))
    if form and form.of == "record":
        waves, applies = _of_records(records["record_id"].to_list(), rates, waves, morphology.common, simulator)
    if form and form.rare:
        cases = dict(zip(morphology.statements, morphology.counts, strict=True))
        counts = [cases[statement] for statement in morphology.statement_of(statements)]
        applies = (torch.tensor(counts) < params.rare).float()
    return Waves(*waves), applies


def _of_records(
    record_ids: Sequence[str], rates: Tensor, waves: FittedWaves, exponents: RateExponents, simulator: Path
) -> tuple[FittedWaves, Tensor]:
    """Each record's own η at its rate in bpm in the place of its class's, where it has one."""
    table = read_table(simulator / "records.parquet", ["record_id", *waves._fields])
    places = {record_id: place for place, record_id in enumerate(table["record_id"])}
    rows = [row for row, record_id in enumerate(record_ids) if record_id in places]
    chosen = [places[record_ids[row]] for row in rows]
    shape = (-1, len(INDEPENDENT_LEADS), len(WAVES))
    fitted = (table[name].to_numpy().astype(np.float32).reshape(shape) for name in waves._fields)
    own = FittedWaves(*(torch.from_numpy(values[chosen]) for values in fitted))
    mixed = FittedWaves(*(values.clone() for values in waves))
    for values, of_record in zip(mixed, own.at_rate(rates[rows, None], exponents), strict=True):
        values[rows] = of_record
    applies = torch.zeros(len(record_ids))
    applies[rows] = 1
    return mixed, applies
