"""What is measured against what the virtual cohort's patients were simulated with."""

import numpy as np
import pytest
import wfdb

from sediff.cohort.params import CohortParams
from sediff.cohort.simulate import true_values
from sediff.ecg import LEADS, to_microvolts
from sediff.errors import UserError
from sediff.evaluation.readings import Readings
from sediff.evaluation.truth import biases, truth_of

PATIENTS = np.array([f"p{i}" for i in range(200)])


def test_a_planted_bias_is_found_beside_the_error_of_measuring():
    rng = np.random.default_rng(0)
    true = rng.normal(160, 15, 200)
    true[:30] = np.nan  # no P waves
    real = true + 5 + rng.normal(0, 3, 200)
    measured = {"synthetic": real + 20, "reconstructed": real, "real": real}
    everyone = np.ones(200, bool)
    found = biases(measured, true, everyone, PATIENTS, 40, np.random.default_rng(1))
    assert found["records"] == 170
    assert found["truth"] == pytest.approx(np.nanmean(true))
    assert found["synthetic"]["bias"] - found["real"]["bias"] == pytest.approx(20)
    for name, planted in (("synthetic", 25), ("reconstructed", 5), ("real", 5)):
        assert found[name]["low"] < planted < found[name]["high"]
    few = biases(measured, true, np.arange(200) < 49, PATIENTS, 40, np.random.default_rng(1))
    assert few.keys() == {"left_out"}, "19 have a PR"


def test_the_cohort_s_own_recordings_are_measured_as_they_were_simulated(cohort):
    truth = true_values(CohortParams(patients=60))
    normal = truth.filter(truth["condition"] == "normal")
    ids = [f"virtual/{ecg_id:05d}" for ecg_id in normal["ecg_id"]]
    of_rows = truth_of(ids, truth)
    assert of_rows["ecg_id"].to_list() == normal["ecg_id"].to_list()
    paths = [f"records100/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_lr" for ecg_id in normal["ecg_id"]]
    signals = [to_microvolts(wfdb.rdrecord(str(cohort / path)).p_signal.T) for path in paths]
    read = Readings.of(np.stack(signals))
    for measured, column, most in (
        (read.heart_rate, "heart_rate", 0.5),
        (read.pr, "pr", 20),
        (read.qrs_duration, "qrs", 12),
        (read.qt, "qt", 25),
        (read.r_amplitudes[:, LEADS.index("V5")], "r_v5", 0.15),
    ):
        assert np.median(np.abs(measured - of_rows[column].to_numpy())) < most, column


def test_a_record_of_another_cohort_is_refused():
    truth = true_values(CohortParams(patients=20))
    with pytest.raises(UserError, match="virtual/09999 is not of the cohort"):
        truth_of(["virtual/00001", "virtual/09999"], truth)
