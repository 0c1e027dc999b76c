"""McSharry's model (IEEE Trans. Biomed. Eng. 50:289, 2003), batched and differentiable.

On the unit limit cycle only z is left to integrate: dz/dt = f_z(z, θ(t)), θ the phase, 0 at R.
Waves are P, Q, R, S, T; parameters have a last axis of five.
"""

import math

import torch
from torch import Tensor

WAVES = ("P", "Q", "R", "S", "T")
# ECGSYN: the offsets and widths of Q and S go with h = √(HR/60), those of P and T with √h; R stays at 0.
OFFSET_EXPONENTS = (0.25, 0.5, 0.0, 0.5, 0.25)
WIDTH_EXPONENTS = (0.25, 0.5, 0.5, 0.5, 0.25)
REFERENCE_RATE = 60.0  # bpm


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


def scale_with_rate(theta_i: Tensor, b_i: Tensor, heart_rate: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets and widths (..., 5) of 60 bpm at another heart rate (...), in bpm.

    R's amplitude a·b²/ω then stays, since b² grows as the rate does.
    """
    ratio = (heart_rate / REFERENCE_RATE)[..., None]
    offsets, widths = (ratio.new_tensor(e) for e in (OFFSET_EXPONENTS, WIDTH_EXPONENTS))
    limit = 0.98 * math.pi
    return (theta_i * ratio**offsets).clamp(-limit, limit), b_i * ratio**widths


def steady_beat(omega: Tensor, theta_i: Tensor, a_i: Tensor, b_i: Tensor, points: int) -> Tensor:
    """One period of the steady state on the limit cycle, θ from −π: parameters (..., 5), ω (...) give (..., points).

    At constant ω the equation is linear with constant coefficients, so each harmonic k of the forcing is
    divided by 1 + ikω.
    """
    theta = torch.linspace(-math.pi, math.pi, points + 1, device=theta_i.device)[:-1]
    spectrum = torch.fft.rfft(forcing(theta, theta_i, a_i, b_i))
    harmonic = torch.arange(spectrum.shape[-1], device=theta_i.device)
    return torch.fft.irfft(spectrum / (1 + 1j * harmonic * omega[..., None]), n=points)


def integrate(theta: Tensor, step: float, theta_i: Tensor, a_i: Tensor, b_i: Tensor) -> Tensor:
    """Solve dz/dt = f_z from the rest z(0) = 0, exactly in the decay and by Simpson's rule in the forcing.

    Args:
        theta: phase on a regular grid with one point between each two wanted samples, (..., 2n − 1).
        step: seconds between wanted samples; 2 ms keep the error of the narrowest fitted wave near 0.1 %.

    Returns:
        z in mV at the wanted samples, (..., n).
    """
    force = forcing(theta.to(theta_i.dtype), theta_i, a_i, b_i).double()
    decay = math.exp(-step)
    left, middle, right = force[..., :-2:2], force[..., 1::2], force[..., 2::2]
    gain = step / 6 * (decay * left + 4 * math.sqrt(decay) * middle + right)
    time = step * torch.arange(1, gain.shape[-1] + 1, dtype=torch.float64, device=theta.device)
    z = torch.exp(-time) * torch.cumsum(gain * torch.exp(time), dim=-1)
    return torch.nn.functional.pad(z, (1, 0)).to(theta_i.dtype)
