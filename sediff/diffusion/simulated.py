"""The simulator's record of a morphology η along a course, as the denoiser is given it: in the latent of E.

What η says of each lead and sample is then in the denoiser's own units at its own places, and four fifths of what a
training record's latent varies by is in it. η is given as the beat that the model makes of it, P, QRS and T apart,
since P comes and goes by itself and T goes with the rate: bumps (n, 3, 8, 220) in mV at 200 Hz, R at sample 80. In θ, a
and b many different values make one beat, by bumps that cancel each other, and what lies between two of them makes
none. Ventricular beats are left out: η is of normal ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.autocast import autocast
from sediff.autoencoder.model import LATENT_STEPS, Autoencoder
from sediff.diffusion.model import SIMULATED_CHANNELS
from sediff.ecg import DURATION, INDEPENDENT_LEADS, SAMPLING_RATE
from sediff.records import read_table
from sediff.simulator.course import Course
from sediff.simulator.ode import WAVES, RateExponents, Waves, omega_of, relax
from sediff.simulator.rhythm import VENTRICULAR

BATCH = 64  # records at once
RATE = 2 * SAMPLING_RATE  # of bumps, Hz: R lies between the samples of a record
BUMP_SAMPLES, BUMP_R = 220, 80  # from R − 0.4 s to R + 0.7 s
BUMPS = (3, len(INDEPENDENT_LEADS), BUMP_SAMPLES)  # P, QRS and T
MARGIN = 1.0  # s on both sides of a record, from where beats reach into it
P, T = WAVES.index("P"), WAVES.index("T")
P_LAST, P_WIDEST = -0.07, 0.045  # s: where a P wave's middle may be, and the deviation of its bump
P_APART = 0.04  # s: from the middle of the other leads'
INTERVALS = ("pr", "qrs_duration", "qt")
FITTED = ["record_id", "heart_rate", "error", *Waves._fields]  # columns


@dataclass(frozen=True)
class Simulated:
    """What stands for η of each record.

    Attributes:
        waves: the record's own η at its rate, each (n, 8, 5); anything where it is not known.
        heart_rates: bpm, (n,).
        channels: what the denoiser is given, (n, 11, 125): E of the simulator's record, and 1 where η is known.
        intervals: PR, QRS duration and QT of the real record in ms, (n, 3), NaN where there is none.
    """

    waves: Waves
    heart_rates: Tensor
    channels: Tensor
    intervals: Tensor

    @property
    def known(self) -> Tensor:
        """Rows of which η is known."""
        return self.channels[:, -1, 0].nonzero()[:, 0]

    def rows(self, index: Tensor) -> "Simulated":
        """The same of some records."""
        others = (self.heart_rates, self.channels, self.intervals)
        return Simulated(self.waves.rows(index), *(values[index] for values in others))

    def to(self, device: torch.device) -> "Simulated":
        """The same on another device."""
        waves, others = Waves(*(values.to(device) for values in self.waves)), (self.heart_rates, self.channels)
        return Simulated(waves, *(values.to(device) for values in (*others, self.intervals)))


def own_fits(simulator: Path) -> pl.DataFrame:
    """The training records' own fits, as `simulated_records` takes them."""
    return read_table(simulator / "records.parquet", FITTED)


def simulated_records(
    records: pl.DataFrame,
    courses: Sequence[Course],
    own: pl.DataFrame,
    exponents: RateExponents,
    autoencoder: Autoencoder,
    worst: float,
) -> Simulated:
    """The simulator's records of real ones that have fits of their own.

    Args:
        records: of the corpus, with `record_id`, `pr`, `qrs_duration` and `qt`.
        courses: of each record, as `beats_course` gives them.
        own: fits, at 60 bpm, with `FITTED`; exponents: how waves go with the rate.
        worst: a record whose fit's relative error, mean over the leads, is above has none.
    """
    found = {name: row for row, name in enumerate(own["record_id"])}
    shape = (len(own), len(INDEPENDENT_LEADS), len(WAVES))
    fitted = Waves(*(torch.tensor(own[name].to_numpy().reshape(shape)) for name in Waves._fields))
    rates = torch.tensor(own["heart_rate"].to_numpy())
    fitted = fitted.at_rate(rates[:, None], exponents)
    error = own["error"].to_numpy().mean(-1)
    place = torch.tensor([found.get(name, -1) for name in records["record_id"]])
    known = torch.from_numpy(np.append(error <= worst, False))[place]  # of -1 the last
    channels = torch.zeros(len(place), SIMULATED_CHANNELS, LATENT_STEPS)
    for rows in known.nonzero()[:, 0].split(BATCH):
        bumps = bumps_of(fitted.rows(place[rows]), rates[place[rows]])
        channels[rows] = given(autoencoder, simulated_ecg(bumps, [courses[row] for row in rows.tolist()])).cpu()
    intervals = records.select(pl.col(*INTERVALS).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
    return Simulated(fitted.rows(place), rates[place], channels, torch.tensor(intervals))


def beats_course(
    times: NDArray[np.float64], kinds: Sequence[str], with_p: Sequence[bool] | NDArray[np.bool_]
) -> Course:
    """The course of beats as the denoiser is told of them, see `course.course_channels`; P waves go with R."""
    return Course(times, np.asarray(kinds), times[np.asarray(with_p, bool)], np.empty(0))


def bumps_of(waves: Waves, heart_rates: Tensor) -> Tensor:
    """The model's forcing of one beat, integrated, of waves at each record's rate in bpm: (n, 3, 8, 220) in mV.

    A bump that was fitted as P is none and stays with QRS where it is wider than a P wave, lies within QRS, or away
    from the P waves of the other leads.
    """
    omega = omega_of(heart_rates)[:, None]
    tau = (torch.arange(BUMP_SAMPLES) - BUMP_R) / RATE
    widths_off = (omega[..., None, None] * tau - waves.theta[..., None]) / waves.b[..., None]
    bumps = waves.heights(omega)[..., None] * torch.exp(-0.5 * widths_off**2)  # (n, 8, 5, 220)
    place, width = (values[..., P] / omega for values in (waves.theta, waves.b))
    is_p = (place < P_LAST) & (width < P_WIDEST)
    weight = is_p * waves.heights(omega)[..., P] ** 2
    middle = (weight * place).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1e-9)
    p = bumps[:, :, P] * (is_p & ((place - middle).abs() < P_APART))[..., None]
    t = bumps[:, :, T]
    return torch.stack([p, bumps.sum(2) - p - t, t], dim=1)


def simulated_ecg(bumps: Tensor, courses: Sequence[Course]) -> Tensor:
    """The simulator's records of bumps (n, 3, 8, 220) along courses: (n, 8, 1000) in mV, of one level in each lead."""
    length = round((DURATION + 2 * MARGIN) * RATE)
    trains = torch.zeros(len(courses), 2, 1, length + 1)
    for row, course in enumerate(courses):
        for of, times in enumerate((course.p_waves, course.r_peaks[course.kinds != VENTRICULAR])):
            place = (times + MARGIN) * RATE
            place = torch.from_numpy(place[(place >= 0) & (place < length)])
            left = place.long()
            share = (place - left).float()
            trains[row, of, 0].index_add_(0, left, 1 - share).index_add_(0, left + 1, share)
    beats = torch.stack([bumps[:, 0], bumps[:, 1:].sum(1)], dim=1)
    spectrum = torch.fft.rfft(trains[..., :length]) * torch.fft.rfft(beats, n=length)
    g = torch.fft.irfft(spectrum.sum(1), n=length)
    first = round(MARGIN * RATE) + BUMP_R
    step = RATE // SAMPLING_RATE
    return relax(g.roll(-first, -1)[..., : round(DURATION * RATE) : step], 1 / SAMPLING_RATE)


@torch.no_grad()
def given(autoencoder: Autoencoder, x: Tensor) -> Tensor:
    """What the denoiser is given of the simulator's records (batch, 8, 1000) in mV: (batch, 11, 125).

    E computes in half precision: its error is a hundredth of what the simulator leaves open.
    """
    device = next(autoencoder.parameters()).device
    with autocast(device, "bfloat16"):
        latents = autoencoder.encode(x.to(device)).float()
    return torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1)
