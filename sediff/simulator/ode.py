"""McSharry's model (IEEE Trans. Biomed. Eng. 50:289, 2003), batched and differentiable.

On the unit limit cycle only z is left to integrate: dz/dt = f_z(z, θ(t)), θ the phase, 0 at R.
Waves are P, Q, R, S, T; parameters have a last axis of five.

**How waves go with rate.** With r = HR / 60, θ_i and b_i go with powers of r (`RateExponents`), and a_i so that a
wave's height h_i = a_i b_i² / ω stays. That alone does not keep the voltage of R: at a high rate the tails of T and P
come nearer to the QRS. So Q, R and S give up what the tails add. At the centre θ_k of each of these three, above the
level θ_L before the QRS, P and T make

    τ_k(r) = Σ_{i∈{P,T}} h_i (G_i(θ_k) − G_i(θ_L)),    G_i(θ) = exp(−(θ − θ_i)² / 2b_i²), all at rate r,

and the heights of Q, R and S change by the δ that leaves least of it, with a ridge where waves lie upon each other:

    min_δ Σ_k (Σ_{j∈{Q,R,S}} δ_j (G_j(θ_k) − G_j(θ_L)) + τ_k(r) − τ_k(1))² + ε |δ|².

τ and G do not depend on the heights of Q, R and S, so the step can be undone exactly, and all of it has a gradient.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

WAVES = ("P", "Q", "R", "S", "T")
REFERENCE_RATE = 60.0  # bpm
QRS, TAILS = [1, 2, 3], [0, 4]
LEVEL = -0.4  # rad at 60 bpm, 64 ms before R: θ_L, the level that the QRS is measured from
RIDGE = 0.01  # ε


class RateExponents(NamedTuple):
    """By which power of HR / 60 a wave's place and width on the limit cycle grow, (..., 5); 1 keeps a time in seconds.

    All but the last axis are as the waves' that they are of, or none.
    """

    offset: Tensor
    width: Tensor


# The offsets and widths of Q and S go with h = √(HR/60), those of P and T with √h; R stays at 0.
ECGSYN = RateExponents(torch.tensor([0.25, 0.5, 0.0, 0.5, 0.25]), torch.tensor([0.25, 0.5, 0.5, 0.5, 0.25]))


class Waves(NamedTuple):
    """Morphology η: θ_i in rad, a_i in mV/(rad s), b_i in rad, each (..., 5)."""

    theta: Tensor
    a: Tensor
    b: Tensor

    def rows(self, index: Tensor | slice) -> "Waves":
        """The waves of some rows of the first axis."""
        return Waves(*(values[index] for values in self))

    def at_rate(self, heart_rate: Tensor, exponents: RateExponents = ECGSYN) -> "Waves":
        """Waves of 60 bpm at another heart rate, (...) in bpm: the voltages of Q, R and S stay (see the module)."""
        there, omega = self._scaled(heart_rate, exponents), omega_of(heart_rate)
        return there._raised(there._given_up(self, heart_rate, exponents), omega)

    def from_rate(self, heart_rate: Tensor, exponents: RateExponents = ECGSYN) -> "Waves":
        """The same waves at 60 bpm, of those at a heart rate: undoes `at_rate`."""
        back = self._scaled(REFERENCE_RATE**2 / heart_rate, exponents)
        omega = omega_of(torch.full_like(heart_rate, REFERENCE_RATE))
        return back._raised(-self._given_up(back, heart_rate, exponents), omega)

    def _scaled(self, heart_rate: Tensor, exponents: RateExponents) -> "Waves":
        """Places and widths at another rate, with the same heights a·b²/ω."""
        ratio = (heart_rate / REFERENCE_RATE)[..., None]
        offset, width = (powers.to(ratio) for powers in exponents)
        return Waves(self.theta * ratio**offset, self.a * ratio ** (1 - 2 * width), self.b * ratio**width)

    def _raised(self, change: Tensor, omega: Tensor) -> "Waves":
        """Q, R and S higher by (..., 3) in mV."""
        a = torch.nn.functional.pad(change, (1, 1)) * omega[..., None] / self.b**2
        return Waves(self.theta, self.a + a, self.b)

    def _given_up(self, reference: "Waves", heart_rate: Tensor, exponents: RateExponents) -> Tensor:
        """δ in mV, (..., 3), of these waves against those at 60 bpm; only heights of P and T are looked at."""
        level = LEVEL * (heart_rate / REFERENCE_RATE) ** exponents.offset[..., QRS[0]].to(heart_rate)
        here = self._above(level)
        there = reference._above(level.new_tensor(LEVEL))
        tails = self.heights(omega_of(heart_rate))[..., TAILS, None]
        more = (here - there)[..., TAILS] @ tails
        own = here[..., QRS]
        ridge = RIDGE * torch.eye(len(QRS), dtype=own.dtype, device=own.device)
        return -torch.linalg.solve(own.mT @ own + ridge, own.mT @ more)[..., 0]

    def _above(self, level: Tensor) -> Tensor:
        """G_i at the centres of Q, R and S less G_i at a level θ_L (...), in rad: (..., 3, 5)."""
        places = torch.cat([self.theta[..., QRS], level.expand(self.theta.shape[:-1])[..., None]], -1)
        bumps = torch.exp(-0.5 * (wrap(places[..., None] - self.theta[..., None, :]) / self.b[..., None, :]) ** 2)
        return bumps[..., :-1, :] - bumps[..., -1:, :]

    def heights(self, omega: Tensor) -> Tensor:
        """a·b²/ω in mV, ω (...) in rad/s."""
        return self.a * self.b**2 / omega[..., None]


def omega_of(heart_rate: Tensor) -> Tensor:
    """Angular frequency in rad/s of a heart rate in bpm."""
    return 2 * math.pi * heart_rate / 60


def wrap(angle: Tensor) -> Tensor:
    """Angle in [−π, π); wrapped to [0, 2π) a wave would become a step."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def forcing(theta: Tensor, theta_i: Tensor, a_i: Tensor, b_i: Tensor) -> Tensor:
    """−Σ a_i Δθ_i exp(−Δθ_i² / 2b_i²): θ (..., n) and parameters (..., 5) give (..., n), in mV/s."""
    force = torch.zeros_like(theta)
    for wave in range(len(WAVES)):  # one after another: five times the points would not fit for many records
        offset = wrap(theta - theta_i[..., wave, None])
        force = force - a_i[..., wave, None] * offset * torch.exp(-0.5 * (offset / b_i[..., wave, None]) ** 2)
    return force


def vector_field(
    z: Tensor, theta: Tensor, theta_i: Tensor, a_i: Tensor, b_i: Tensor, baseline: Tensor | float = 0.0
) -> Tensor:
    """f_z = −Σ a_i Δθ_i exp(−Δθ_i² / 2b_i²) − (z − z₀), in mV/s; z (..., n) in mV, θ (..., n), parameters (..., 5).

    `baseline` is z₀ in mV, a number or what broadcasts with z.
    """
    return forcing(theta, theta_i, a_i, b_i) - (z - baseline)


def steady_beat(omega: Tensor, theta_i: Tensor, a_i: Tensor, b_i: Tensor, points: int) -> Tensor:
    """One period of the steady state on the limit cycle, θ from −π: parameters (..., 5), ω (...) give (..., points)."""
    theta = torch.linspace(-math.pi, math.pi, points + 1, device=theta_i.device, dtype=theta_i.dtype)[:-1]
    widths_off = wrap(theta - theta_i[..., None]) / b_i[..., None]
    height = Waves(theta_i, a_i, b_i).heights(omega)
    return relax_periodic((height[..., None] * torch.exp(-0.5 * widths_off**2)).sum(-2), omega)


def relax_periodic(beat: Tensor, omega: Tensor) -> Tensor:
    """The periodic solution of dz/dt = dg/dt − z for one period g (..., points) at ω (...), in mV.

    A wave's forcing is dg/dt of a bump g = a·b²/ω · exp(−Δθ² / 2b²) wherever θ runs at one ω. The equation is linear
    with constant coefficients, so each harmonic k of g is multiplied by ikω / (1 + ikω).
    """
    return _filter(beat, 1j * _frequencies(beat, omega), 1 + 1j * _frequencies(beat, omega))


def restore_periodic(z: Tensor, omega: Tensor) -> Tensor:
    """The g of zero mean whose solution `relax_periodic` is z, but for the mean that no solution has."""
    frequency = _frequencies(z, omega)
    return _filter(z, (1 + 1j * frequency) * (frequency > 0), 1j * frequency + (frequency == 0))


def _frequencies(beat: Tensor, omega: Tensor) -> Tensor:
    return torch.arange(beat.shape[-1] // 2 + 1, device=beat.device) * omega[..., None]


def _filter(beat: Tensor, above: Tensor, below: Tensor) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(beat) * above / below, n=beat.shape[-1])


def relax(g: Tensor, step: float) -> Tensor:
    """Solve dz/dt = dg/dt − z: z = g − ∫ exp(−(t − s)) g(s) ds, from where the integral is the mean of g.

    The waves themselves are thus exact at any sampling rate, and only the slow integral is summed, by the rule of
    a cubic through four samples: at 100 Hz its error is below 0.2 % of the narrowest wave that is ever fitted.

    Args:
        g: bumps along a record (see `relax_periodic`), (..., n) in mV.
        step: s between samples.

    Returns:
        z in mV, (..., n).
    """
    time = step * torch.arange(g.shape[-1], device=g.device, dtype=g.dtype)
    grown = g * torch.exp(time)
    area = (grown[..., 1:] + grown[..., :-1]).mul_(step / 2)
    bend = (grown[..., 3:] - grown[..., 2:-1]).sub_(grown[..., 1:-2]).add_(grown[..., :-3])
    area[..., 1:-1].sub_(bend.mul_(step / 24))
    total = torch.nn.functional.pad(torch.cumsum(area, -1), (1, 0))
    return g - torch.exp(-time) * (g.mean(-1, keepdim=True) + total)
