import numpy as np
import pytest

from sediff.beats import beat_windows, find_r_peaks, heart_rate, median_beat, rmssd


def ecg(peaks: np.ndarray, width: float = 0.02, noise: float = 0.02) -> np.ndarray:
    """A bare record (2, 1000) in mV: an R wave and a slow T wave at each peak."""
    t = np.arange(1000) / 100
    distance = t[:, None] - peaks
    wave = np.exp(-0.5 * (distance / width) ** 2).sum(1) + 0.3 * np.exp(-0.5 * ((distance - 0.3) / 0.05) ** 2).sum(1)
    return np.stack([wave, -0.6 * wave]) + np.random.default_rng(0).normal(0, noise, (2, 1000))


@pytest.mark.parametrize("rate", [45, 75, 120, 185])
def test_regular_peaks_are_found_where_they_are(rate):
    true = np.arange(0.33, 9.9, 60 / rate)
    (found,) = find_r_peaks(ecg(true)[None])
    assert len(found) == len(true)
    assert np.abs(found - true).max() < 0.012
    assert heart_rate(found) == pytest.approx(rate, abs=0.5)


def test_records_in_a_batch_do_not_touch_each_other():
    first, second = ecg(np.arange(0.3, 9.8, 0.8)), 5 * ecg(np.arange(0.5, 9.8, 0.5))
    together = find_r_peaks(np.stack([first, second]))
    assert np.allclose(together[0], find_r_peaks(first[None])[0])


def test_a_flat_record_has_no_peaks():
    (found,) = find_r_peaks(np.zeros((1, 2, 1000)))
    assert len(found) == 0
    assert np.isnan(heart_rate(found))
    assert np.isnan(rmssd(found))


def test_rmssd_of_alternating_intervals():
    peaks = np.cumsum([0, 0.8, 0.9, 0.8, 0.9])
    assert rmssd(peaks) == pytest.approx(100)


def test_rate_is_of_the_mean_interval_not_the_median():
    assert heart_rate(np.array([0, 1, 2, 2.5])) == pytest.approx(60 * 3 / 2.5)


def test_beats_cut_by_the_edges_are_left_out():
    signal = ecg(np.array([0.1, 1, 2, 9.9]))
    assert len(beat_windows(signal, np.array([0.1, 1, 2, 9.9]), 0.3, 0.5)) == 2
    beat = median_beat(signal, np.array([0.1, 1, 2, 9.9]))
    assert beat.shape == (2, 80)
    assert beat[0].argmax() == 30
