import numpy as np
import pytest

from sediff.simulator.ode import ECGSYN
from sediff.simulator.rates import fit_exponents, fit_slope


def marks_of(rates, rng, t_power=0.35, p_power=0.05):
    """Marks of records whose T end and P place go with powers of RR, with noise and some nonsense."""
    rr, peaks = 60 / rates, [np.array([1.0, 2.0, 3.0]) for _ in rates]
    t = 0.36 * rr**t_power * rng.lognormal(0, 0.04, len(rr))
    t[:20] *= 2
    p = 0.16 * rr**p_power
    return {
        "r_peaks": [row.tolist() for row in peaks],
        "p_onsets": [(row - end - 0.05).tolist() for row, end in zip(peaks, p, strict=True)],
        "p_offsets": [(row - end + 0.05).tolist() for row, end in zip(peaks, p, strict=True)],
        "qrs_onsets": [(row - 0.04).tolist() for row in peaks],
        "qrs_offsets": [(row + 0.05).tolist() for row in peaks],
        "t_offsets": [[None, *(row[1:] + end)] for row, end in zip(peaks, t, strict=True)],
    }


def test_known_powers_come_back():
    rng = np.random.default_rng(0)
    rates = rng.uniform(50, 110, 600)
    exponents, slopes = fit_exponents(marks_of(rates, rng), rates, np.ones(600, bool), 20)
    assert exponents.offset[4] == exponents.width[4] == pytest.approx(0.65, abs=0.02)
    assert exponents.offset[0] == pytest.approx(0.95, abs=0.01)
    assert exponents.width[0] == pytest.approx(1, abs=0.01)
    assert exponents.offset[1:4] == exponents.width[1:4] == pytest.approx((1, 1, 1), abs=0.01)
    assert slopes["t_end"].records >= 550
    assert abs(slopes["t_end"].slope - 0.35) < 4 * slopes["t_end"].error


def test_rows_that_do_not_count_do_not_speak():
    rng = np.random.default_rng(1)
    rates = rng.uniform(50, 110, 400)
    rows = np.arange(400) < 200
    marks, other = marks_of(rates, rng), marks_of(rates, rng, t_power=0.9)
    mixed = {name: marks[name][:200] + other[name][200:] for name in marks}
    assert fit_exponents(mixed, rates, rows, 20)[0].offset[4] == pytest.approx(0.65, abs=0.03)


@pytest.mark.parametrize("rates", [np.full(100, 70.0), np.linspace(50, 110, 5), np.full(100, np.nan)])
def test_without_a_slope_ecgsyn_s_exponents_stay(rates):
    marks = marks_of(rates, np.random.default_rng(0))
    exponents, slopes = fit_exponents(marks, rates, np.ones(len(rates), bool), 20)
    assert exponents == ECGSYN
    assert slopes == {}


def test_an_interval_that_nobody_has_has_no_slope():
    assert fit_slope(np.linspace(0.5, 1.2, 50), np.full(50, np.nan), 10) is None
