import numpy as np
import pytest

from sediff.diffusion.course import record_course


def test_the_course_says_where_each_beat_is_and_which_are_ventricular():
    peaks = np.array([1.0, 2.0, 2.6, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    theta, ventricular, _ = record_course(peaks, "NNVNNNNNN", [0.1] * 9)
    assert theta[(100 * peaks).astype(int)] == pytest.approx(0, abs=1e-5)
    assert ventricular[[100, 200, 260, 400, 900]].tolist() == [0, 0, 1, 0, 0]
    assert np.flatnonzero(ventricular)[[0, -1]] == pytest.approx([230, 329], abs=1), "half way to the beats beside it"
    assert theta[0] == pytest.approx(0, abs=1e-5)
    assert np.abs(np.diff(np.unwrap(theta))).max() < 0.15, "the mean RR goes on beyond the outer beats"


@pytest.mark.parametrize(("first", "others", "wanted"), [(None, 0.1, 1), (None, None, 0), (0.1, None, 1)])
def test_the_course_says_which_beats_have_a_p_wave(first, others, wanted):
    """The first beat's may lie outside the window: it is then as the others."""
    peaks = np.arange(0.1, 10, 1.0)
    onsets = [first, *[others] * 9]
    onsets[4] = None if others else 0.1
    _, _, with_p = record_course(peaks, "N" * 10, onsets)
    usual = int(others is not None)
    assert with_p[[10, 110, 310, 410, 510, 999]].tolist() == [wanted, usual, usual, 1 - usual, usual, usual]
