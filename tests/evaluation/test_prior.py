"""The simulator alone as a baseline: what it makes of conditions."""

import numpy as np
import polars as pl
import pytest

from sediff.beats import find_r_peaks, heart_rate
from sediff.ecg import LEADS, independent_leads, to_millivolts
from sediff.errors import UserError
from sediff.evaluation.prior import simulated
from sediff.evaluation.readings import Readings
from sediff.simulator.dataset import RATES
from tests.learnable import write_simulator


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior") / "simulator"
    write_simulator(folder)
    return folder


def conditions(codes: list[list[str]], rates: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"statements": codes, "heart_rate": rates}, schema_overrides={"heart_rate": pl.Float32})


def test_each_record_has_its_class_s_beat_at_the_rate_that_was_asked(folder):
    rates = [60.0, 80.0, 100.0, None]
    x = simulated(folder, conditions([["NORM"], ["CLBBB"], ["CLBBB", "SR"], ["IMI"]], rates), 0)
    assert x.shape == (4, 12, 1000) and x.dtype == np.int16
    leads = to_millivolts(independent_leads(x))
    read = [heart_rate(peaks) for peaks in find_r_peaks(leads)]
    assert read == pytest.approx([60, 80, 100, 60], abs=0.5), "without a rate, that of the fit"
    ii = to_millivolts(x)[:, LEADS.index("II")]
    assert np.abs(ii).max(-1) == pytest.approx(0.8, abs=0.1), "of 0.9 mV, some of which z's relaxation takes"
    assert ((ii.max(-1) > 0.5) == [True, False, False, True]).all(), "what has no fit has everybody's beat"


def test_rates_beyond_the_simulator_s_are_taken_to_the_nearest(folder):
    beyond, nearest = (simulated(folder, conditions([["NORM"]] * 2, rates), 0) for rates in ([5.0, 400.0], RATES))
    assert (beyond == nearest).all() and (beyond[0] != beyond[1]).any()


def test_records_are_a_function_of_seed_and_row_and_differ(folder):
    asked = conditions([["NORM"]] * 3, [70.0] * 3)
    x = simulated(folder, asked, 1)
    assert (x == simulated(folder, asked, 1)).all()
    assert (x != simulated(folder, asked, 2)).any((1, 2)).all()
    assert (x[0] != x[1]).any() and (x[1] != x[2]).any()


def test_the_course_is_read_as_it_was_drawn(folder):
    signals = simulated(folder, conditions([["NORM"]] * 4, [70.0] * 4), 0)
    found = Readings.of(signals).dispersion
    assert ((found > 0.01) & (found < 0.06)).all(), "drawn between 0.02 and 0.04, and read at 100 Hz"


def test_a_simulator_that_has_not_run_is_named(tmp_path):
    with pytest.raises(UserError, match="sediff run simulator"):
        simulated(tmp_path, conditions([["NORM"]], [70.0]), 0)
