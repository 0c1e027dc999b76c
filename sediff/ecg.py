"""Leads, units and limb-lead identities of a 12-lead ECG.

Signals are stored as int16 microvolts, shape (..., 12, samples). Models work on the eight
independent leads in millivolts, shape (..., 8, samples); the other four follow from I and II.
"""

import numpy as np
from numpy.typing import NDArray

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT = tuple(LEADS.index(lead) for lead in INDEPENDENT_LEADS)

SAMPLING_RATE = 100  # Hz
DURATION = 10  # s
SAMPLES = SAMPLING_RATE * DURATION

MICROVOLTS_PER_MILLIVOLT = 1000

# Rows: III, aVR, aVL, aVF; columns: I, II. Einthoven's law and Goldberger's leads.
LIMB_LEADS = np.array([[-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]])


def to_microvolts(millivolts: NDArray[np.floating]) -> NDArray[np.int16]:
    """Round millivolts to int16 microvolts, any shape; values beyond ±32.767 mV are clipped."""
    limit = np.iinfo(np.int16).max
    microvolts = np.rint(np.asarray(millivolts, np.float64) * MICROVOLTS_PER_MILLIVOLT)
    return np.clip(microvolts, -limit, limit).astype(np.int16)


def to_millivolts(microvolts: NDArray[np.int16]) -> NDArray[np.float32]:
    """Convert int16 microvolts to float32 millivolts, any shape."""
    return microvolts.astype(np.float32) / np.float32(MICROVOLTS_PER_MILLIVOLT)


def independent_leads(twelve: NDArray) -> NDArray:
    """Select I, II, V1 to V6: (..., 12, samples) to (..., 8, samples)."""
    return twelve[..., INDEPENDENT, :]


def twelve_leads(eight: NDArray[np.int16]) -> NDArray[np.int16]:
    """Derive the limb leads: int16 microvolts (..., 8, samples) to (..., 12, samples).

    III is II - I exactly; aVR, aVL and aVF are exact to half a microvolt (the rounding of int16).
    """
    limb = eight[..., :2, :].astype(np.float64)
    derived = np.rint(np.einsum("kl,...lt->...kt", LIMB_LEADS, limb))
    limit = np.iinfo(np.int16).max
    derived = np.clip(derived, -limit, limit).astype(np.int16)
    return np.concatenate([eight[..., :2, :], derived, eight[..., 2:, :]], axis=-2)


def limb_lead_residual(twelve: NDArray) -> NDArray[np.float64]:
    """Departure of III, aVR, aVL and aVF from what I and II imply: (..., 12, n) to (..., 4, n)."""
    limb = np.asarray(twelve[..., :2, :], np.float64)
    return np.asarray(twelve[..., 2:6, :], np.float64) - np.einsum("kl,...lt->...kt", LIMB_LEADS, limb)
