"""The log-spectral distance where it is known."""

import numpy as np
import pytest

from sediff.ecg import SAMPLING_RATE
from sediff.evaluation.spectra import BAND, distances_by_lead, log_spectral_distance, power

COUNT = 120


def white(seed: int, count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (count, 8, 1000)).astype(np.float32)


def band_limited(signals: np.ndarray, above: float, decibels: float) -> np.ndarray:
    """Signals whose frequencies above one in Hz are weaker by so many dB."""
    spectrum, frequency = np.fft.rfft(signals), np.fft.rfftfreq(signals.shape[-1], 1 / SAMPLING_RATE)
    spectrum[..., frequency > above] *= 10 ** (-decibels / 20)
    return np.fft.irfft(spectrum, signals.shape[-1]).astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return log_spectral_distance(power(a), power(b))


def test_twice_the_amplitude_is_six_decibels_everywhere():
    x = white(0)
    assert distance(2 * x, x) == distance(x, 2 * x) == pytest.approx(20 * np.log10(2), rel=1e-5)
    assert distance(x, x) == 0
    one = np.where(np.arange(8)[:, None] == 3, 2, 1).astype(np.float32) * x
    assert distance(one, x) == pytest.approx(20 * np.log10(2) / 8, rel=1e-5), "one lead of eight"


def test_white_noise_from_band_limited_noise_is_what_was_taken_over_its_share_of_the_band():
    wanted = 20 * np.sqrt((BAND[1] - 20) / (BAND[1] - BAND[0]))
    assert distance(band_limited(white(0), 20, 20), white(1)) == pytest.approx(wanted, rel=0.03)
    assert distance(white(0), white(1)) < 0.5


def test_offset_and_phase_make_no_distance():
    x = white(0)
    assert distance(x + 0.5, x) == pytest.approx(0, abs=0.01)
    assert distance(x[..., ::-1], x) == pytest.approx(0, abs=0.01)


def test_power_is_that_of_a_sine():
    t = np.arange(1000) / SAMPLING_RATE
    x = np.tile(0.5 * np.sin(2 * np.pi * 10 * t), (1, 8, 1)).astype(np.float32)
    found = power(x)[0, 0]
    assert found.sum() * 0.5 == pytest.approx(0.5**2 / 2, rel=1e-3), "bins of half a hertz"
    assert found.argmax() == round((10 - BAND[0]) / 0.5)


def test_each_lead_has_its_distances_beside_the_floor():
    real = band_limited(white(0), 20, 20)
    sets = {
        "synthetic": 1.5 * band_limited(white(1), 20, 20),
        "reconstructed": real,
        "real": real,
        "noise": white(2),
    }
    found = distances_by_lead(sets, [f"p{row // 2}" for row in range(COUNT)], 10, 0)
    assert list(found) == ["all", "I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]
    gain = 20 * np.log10(1.5)
    for of_lead in found.values():
        assert of_lead["records"] == COUNT
        assert of_lead["synthetic"]["median"] == pytest.approx(gain, abs=0.2)
        assert of_lead["real"]["high"] < 1 < of_lead["synthetic"]["low"] < 8 < of_lead["noise"]["low"]
        assert of_lead["over_floor"]["reconstructed"] == pytest.approx(1)
        assert of_lead["over_floor"]["noise"] > of_lead["over_floor"]["synthetic"] > 3
