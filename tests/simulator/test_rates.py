import numpy as np
import pytest
import torch
from scipy.stats import linregress

from sediff.simulator.ode import ECGSYN
from sediff.simulator.rates import Slope, class_slopes, fit_exponents, fit_slope, shrunk_slopes, with_slopes


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
    assert exponents.offset[0].item() == pytest.approx(0.95, abs=0.01)
    assert exponents.width[0].item() == pytest.approx(1, abs=0.01)
    assert exponents.offset[1:4].tolist() == exponents.width[1:4].tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert slopes["t_end"].records >= 550
    assert abs(slopes["t_end"].slope - 0.35) < 4 * slopes["t_end"].error


def test_rows_that_do_not_count_do_not_speak():
    rng = np.random.default_rng(1)
    rates = rng.uniform(50, 110, 400)
    rows = np.arange(400) < 200
    marks, other = marks_of(rates, rng), marks_of(rates, rng, t_power=0.9)
    mixed = {name: marks[name][:200] + other[name][200:] for name in marks}
    assert fit_exponents(mixed, rates, rows, 20)[0].offset[4].item() == pytest.approx(0.65, abs=0.03)


@pytest.mark.parametrize("rates", [np.full(100, 70.0), np.linspace(50, 110, 5), np.full(100, np.nan)])
def test_without_a_slope_ecgsyn_s_exponents_stay(rates):
    marks = marks_of(rates, np.random.default_rng(0))
    exponents, slopes = fit_exponents(marks, rates, np.ones(len(rates), bool), 20)
    assert all(map(torch.equal, exponents, ECGSYN))
    assert slopes == {}


def test_an_interval_that_nobody_has_has_no_slope():
    assert fit_slope(np.linspace(0.5, 1.2, 50), np.full(50, np.nan), 10) is None


def test_slopes_of_classes_are_drawn_to_the_common_one_by_what_is_not_known():
    rng = np.random.default_rng(0)
    truth, errors = rng.normal(0.4, 0.05, 2000), rng.choice([0.01, 0.1], 2000)
    found = {str(row): Slope(rng.normal(s, e), e, 50) for row, (s, e) in enumerate(zip(truth, errors, strict=True))}
    shrunk = np.array(list(shrunk_slopes(found, Slope(0.4, 0.001, 9999)).values()))
    off = shrunk - truth
    best = errors**2 * 0.05**2 / (errors**2 + 0.05**2)  # what is left where the deviation is known
    for error in (0.01, 0.1):
        assert np.mean(off[errors == error] ** 2) == pytest.approx(best[errors == error][0], rel=0.15)


def test_classes_that_do_not_differ_have_the_common_slope():
    alike = {"A": Slope(0.41, 0.1, 50), "B": Slope(0.39, 0.1, 50)}
    assert shrunk_slopes(alike, Slope(0.4, 0.001, 999)) == pytest.approx({"A": 0.4, "B": 0.4})


def test_one_class_that_tells_little_does_not_hide_that_others_differ():
    rng = np.random.default_rng(0)
    found = {str(row): Slope(0.4 + rng.normal(0, 0.1), 0.02, 50) for row in range(20)}
    precise = shrunk_slopes(found, Slope(0.4, 0.001, 999))
    both = shrunk_slopes({**found, "loose": Slope(0.45, 0.5, 20)}, Slope(0.4, 0.001, 999))
    assert np.std(list(precise.values())) > 0.06
    assert [both[name] for name in found] == pytest.approx(list(precise.values()), abs=0.002)
    assert both["loose"] == pytest.approx(0.4, abs=0.005)


def test_a_slopes_error_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    rr = rng.uniform(0.5, 1.2, 20)
    interval = 0.4 * rr**0.4 * rng.lognormal(0, 0.02, 20)
    found, reference = fit_slope(rr, interval, 20), linregress(np.log(rr), np.log(interval))
    assert found is not None and found.records == 20
    assert (found.slope, found.error) == pytest.approx((reference.slope, reference.stderr))


def test_a_class_moves_its_t_by_itself():
    rr = np.random.default_rng(0).uniform(0.5, 1.2, 400)
    steep = np.arange(400) < 200
    ends = 0.36 * np.where(steep, rr**0.55, rr**0.35)
    rows = {"STEEP": steep, "FLAT": ~steep, "FEW": np.arange(400) < 5}
    slopes = class_slopes(rr, ends, rows, Slope(0.45, 0.01, 400), 20)
    assert slopes == pytest.approx({"STEEP": 0.55, "FLAT": 0.35}, abs=0.01), "five records tell no slope"
    exponents = with_slopes(ECGSYN, [None, slopes["STEEP"]])
    assert torch.equal(exponents.offset[0], ECGSYN.offset) and torch.equal(exponents.offset[1, :4], ECGSYN.offset[:4])
    assert exponents.width[1, 4].item() == exponents.offset[1, 4].item() == pytest.approx(0.45, abs=0.01)
    assert class_slopes(rr, ends, rows, None, 20) == {}
