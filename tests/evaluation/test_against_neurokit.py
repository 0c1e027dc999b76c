"""Beats, rate, RMSSD and intervals beside those of neurokit2, on clean ECGs that it simulates."""

from functools import cache

import neurokit2
import numpy as np
import pytest
from neurokit2.signal import signal_rate

from sediff.beats import find_r_peaks, heart_rate, rmssd
from sediff.delineation import delineate, measure
from sediff.ecg import SAMPLING_RATE

RATE = 500  # Hz of the simulation; our detector has every fifth sample
# neurokit2's own deprecated use of pandas.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:neurokit2", "ignore::Warning:pandas")


@cache
def simulated(rate: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One lead, (5000,) mV, and the samples of its R peaks as neurokit2 finds them."""
    lead = neurokit2.ecg_simulate(
        duration=10, sampling_rate=RATE, heart_rate=rate, noise=0, random_state=seed, method="ecgsyn"
    )
    _, found = neurokit2.ecg_peaks(neurokit2.ecg_clean(lead, sampling_rate=RATE), sampling_rate=RATE)
    return lead, found["ECG_R_Peaks"]


@pytest.mark.parametrize("rate", [50, 75, 110, 150])
def test_beats_rate_and_rmssd_are_neurokit_s(rate):
    lead, peaks = simulated(rate)
    (ours,) = find_r_peaks(np.tile(lead[:: RATE // SAMPLING_RATE], (1, 8, 1)))
    theirs = peaks / RATE
    assert len(ours) == len(theirs)
    assert np.abs(ours - theirs).max() < 0.003, "s: a third of a sample"
    intervals = 60 / signal_rate(peaks, sampling_rate=RATE, interpolation_method=None)[1:]
    assert heart_rate(ours) == pytest.approx(60 / intervals.mean(), abs=0.05)
    of_theirs = neurokit2.hrv_time(peaks, sampling_rate=RATE)["HRV_RMSSD"].item()
    assert rmssd(theirs) == pytest.approx(of_theirs, rel=1e-9), "of the same beats it is the same"
    assert rmssd(ours) == pytest.approx(of_theirs, abs=2), "ms"


@pytest.mark.parametrize("rate", [55, 65, 75])
def test_intervals_are_nearly_neurokit_s(rate):
    """Its wavelet delineation, median over beats: ends of waves are a matter of opinion. At 110 bpm the two are 70 ms
    apart in PR and in QT, which it takes to be 76 and 386 ms of an RR of 545.
    """
    lead, peaks = simulated(rate)
    ours = measure(delineate(np.tile(lead, (12, 1)), RATE, peaks / RATE))
    cleaned = neurokit2.ecg_clean(lead, sampling_rate=RATE)
    _, waves = neurokit2.ecg_delineate(cleaned, peaks, sampling_rate=RATE, method="dwt")

    def milliseconds(first: str, last: str) -> float:
        start, stop = (np.array(waves[f"ECG_{name}"], float) for name in (first, last))
        return float(np.nanmedian(stop - start)) * 1000 / RATE

    assert ours.pr == pytest.approx(milliseconds("P_Onsets", "R_Onsets"), abs=20)
    assert ours.qrs_duration == pytest.approx(milliseconds("R_Onsets", "R_Offsets"), abs=25)
    assert ours.qt == pytest.approx(milliseconds("R_Onsets", "T_Offsets"), abs=25)
