import numpy as np
import pytest

from sediff.ecg import INDEPENDENT_LEADS
from sediff.simulator.atria import fibrillation, flutter

TIME = np.arange(1000) / 100


@pytest.mark.parametrize("seed", range(10))
def test_f_waves_are_small_lie_between_4_and_9_hz_and_are_largest_in_v1(seed):
    x = fibrillation(TIME, np.random.default_rng(seed))
    power = np.abs(np.fft.rfft(x[2])) ** 2
    frequency = np.fft.rfftfreq(len(TIME), 0.01)
    assert 4 <= frequency[power.argmax()] <= 9
    assert power[(frequency >= 4) & (frequency <= 9)].sum() > 0.8 * power.sum()
    assert INDEPENDENT_LEADS[np.abs(x).max(1).argmax()] == "V1"
    assert 0.02 < np.abs(x).max() < 0.2


def test_saw_teeth_begin_when_they_are_told_to():
    begins = -0.1 + 0.2 * np.arange(60)
    x = flutter(TIME, begins, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(x[1] - x[1].mean())) ** 2
    assert np.fft.rfftfreq(len(TIME), 0.01)[power.argmax()] == pytest.approx(5)
    at_begin = x[1][np.rint(begins[(begins >= 0) & (begins < 10)] * 100).astype(int)]
    assert np.allclose(at_begin, at_begin[0], atol=1e-6)
