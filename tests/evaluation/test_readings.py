"""What is read in records whose beats are known, as they were drawn."""

import numpy as np
import pytest

from sediff.ecg import INDEPENDENT_LEADS, to_microvolts, twelve_leads
from sediff.evaluation.readings import Readings, beat_consistency

T = np.arange(1000) / 100
LEADS = len(INDEPENDENT_LEADS)


def drawn(peaks, p_wave: bool = True, noise: float = 0.0, wide: tuple[int, ...] = (), seed: int = 0) -> np.ndarray:
    """A record, int16 (12, 1000): a QRS at each peak, with a P wave before and a T wave after it.

    The beats numbered in `wide` have no P wave and a broad, inverted QRS.
    """
    wave = np.zeros(1000)
    for number, peak in enumerate(peaks):
        premature = number in wide
        for height, at, width in (
            (0.15 * (p_wave and not premature), -0.16, 0.022),
            (-2.0 if premature else 1.0, 0.0, 0.03 if premature else 0.012),
            (0.3, 0.28, 0.05),
        ):
            wave += height * np.exp(-0.5 * ((T - peak - at) / width) ** 2)
    eight = wave * np.linspace(0.6, 1.2, LEADS)[:, None]
    eight = eight + np.random.default_rng(seed).normal(0, 0.004 + noise, eight.shape)
    return twelve_leads(to_microvolts(eight))


def read(*records: np.ndarray) -> Readings:
    return Readings.of(np.stack(records))


def test_rate_and_dispersion_are_those_of_the_mean_rr():
    steady, alternating = np.arange(0.5, 9.6, 0.8), 0.5 + np.cumsum([0, *[0.7, 0.9] * 5])
    found = read(drawn(steady), drawn(alternating))
    assert found.heart_rate == pytest.approx([75, 75], abs=0.3)
    assert found.dispersion[0] < 0.01
    assert found.dispersion[1] == pytest.approx(0.2 / 0.8, abs=0.01)
    assert found.lag[1] == pytest.approx(-1, abs=0.15)


def test_p_waves_are_counted_where_there_are_any():
    peaks = np.arange(0.5, 9.6, 0.85)
    found = read(drawn(peaks), drawn(peaks, p_wave=False))
    assert found.p_share.tolist() == [1, 0]


def test_a_first_beat_whose_p_wave_lies_before_the_record_counts_for_nothing():
    assert read(drawn(np.arange(0.1, 9.6, 0.85))).p_share.tolist() == [1]


def test_early_wide_beats_are_counted_with_their_coupling():
    normal = np.arange(0.5, 9.6, 0.8)
    early = normal.copy()
    early[[3, 8]] -= 0.28
    plain, premature = range(2)
    found = read(drawn(normal), drawn(early, wide=(3, 8)))
    assert found.ventricular[plain] == 0 and np.isnan(found.coupling[plain])
    assert found.ventricular[premature] == pytest.approx(2 / 12)
    assert found.coupling[premature] == pytest.approx(0.52 / 0.8, abs=0.03)
    assert found.premature.tolist() == [0, 2]


def test_wide_beats_that_come_in_time_are_wide_and_not_early():
    found = read(drawn(np.arange(0.5, 9.6, 0.8), wide=(3, 8)))
    assert found.ventricular[0] == pytest.approx(2 / 12)
    assert found.premature[0] == 0
    assert found.coupling[0] == pytest.approx(1, abs=0.03)


def test_equal_beats_are_consistent_and_noise_lowers_it_as_it_must():
    peaks = np.arange(0.5, 9.6, 0.8)
    eight = np.zeros((8, 1000))
    eight[:, np.rint(peaks * 100).astype(int)] = 1
    assert beat_consistency(eight, peaks) == pytest.approx(1)
    rng = np.random.default_rng(0)
    signal = np.tile(np.sin(2 * np.pi * T / 0.6), (8, 1))
    noisy = signal + rng.normal(0, 1, signal.shape)
    peaks = np.arange(0.6, 9.5, 0.6)  # each beat is a whole period: variance 0.5, that of the noise 1
    expected = 0.5 / np.sqrt((0.5 + 1) * 0.5)
    assert beat_consistency(noisy, peaks) == pytest.approx(expected, abs=0.05)
    assert np.isnan(beat_consistency(eight, peaks[:2]))


def test_a_record_without_beats_has_no_values_and_is_no_error():
    found = read(np.zeros((12, 1000), np.int16), drawn(np.arange(0.5, 9.6, 0.8)))
    assert np.isnan(found.heart_rate[0]) and np.isnan(found.p_share[0]) and np.isnan(found.consistency[0])
    assert np.isnan(found.st[0]).all() and np.isfinite(found.st[1]).all()
    assert found.only(np.array([1])).heart_rate.tolist() == [found.heart_rate[1]]
