import numpy as np
import pytest

from sediff.beats import find_r_peaks, median_beat
from sediff.cohort.conditions import CONDITIONS
from sediff.cohort.signals import draw_patient, draw_recording
from sediff.ecg import LEADS, to_millivolts

BEFORE = 0.3  # s of a median beat before R
PEOPLE = 40


@pytest.fixture(scope="module")
def drawn():
    """Of each condition, recordings of 40 women of 60 years in mV, and what is true of them."""
    result = {}
    for number, (name, condition) in enumerate(CONDITIONS.items()):
        rng = np.random.default_rng([0, number])
        pairs = [draw_recording(condition, draw_patient(condition, "female", 60, rng), rng) for _ in range(PEOPLE)]
        result[name] = (np.stack([to_millivolts(signal) for signal, _ in pairs]), [truth for _, truth in pairs])
    return result


@pytest.fixture(scope="module")
def beats(drawn):
    """The median over people of each condition's median beat around the true R peaks: lead to (80,) in mV."""

    def beat(signal, truth):
        normal = np.array(truth.r_peaks)[~np.array(truth.ectopic)]
        window = median_beat(signal, normal, BEFORE, 0.5)
        return window - np.median(window, axis=1, keepdims=True)

    return {
        name: dict(zip(LEADS, np.median([beat(*pair) for pair in zip(*pairs, strict=True)], axis=0), strict=True))
        for name, pairs in drawn.items()
    }


def around_r(beat, start, stop):
    """The part of a beat between two times in seconds from R."""
    return beat[round(100 * (BEFORE + start)) : round(100 * (BEFORE + stop))]


def test_true_r_peaks_are_where_a_detector_finds_them(drawn):
    for name, (signals, truths) in drawn.items():
        pairs = [
            (np.abs(found - time).min(), len(found) - len(truth.r_peaks))
            for found, truth in zip(find_r_peaks(signals), truths, strict=True)
            for time in truth.r_peaks
            if 0.15 < time < 9.85
        ]
        distance, surplus = np.array(pairs).T
        assert (distance < 0.08).mean() > 0.98, name
        assert surplus.max() <= 1, name


def test_true_rate_is_that_of_the_true_peaks_and_agrees_with_the_statement(drawn):
    bounds = {"bradycardia": (35, 60), "tachycardia": (100, 140), "supraventricular tachycardia": (160, 205)}
    for name, (_, truths) in drawn.items():
        low, high = bounds.get(name, (60, 100) if name != "fibrillation" else (40, 140))
        for truth in truths:
            peaks = truth.r_peaks
            assert truth.heart_rate == pytest.approx(60 * (len(peaks) - 1) / (peaks[-1] - peaks[0]), rel=1e-4)
            assert low - 1 < truth.heart_rate < high + 1, name


def test_qrs_is_wide_in_bundle_branch_blocks_only(drawn):
    for name, (_, truths) in drawn.items():
        assert all((t.qrs > 120) == ("bundle" in name) for t in truths), name


def test_true_qrs_covers_the_steep_part_of_the_beat(drawn):
    for name in ("normal", "left bundle branch block"):
        signals, truths = drawn[name]
        for signal, truth in zip(signals[:10], truths, strict=False):
            energy = (np.diff(median_beat(signal, truth.r_peaks, 0.12, 0.16), axis=1) ** 2).sum(0)
            steep = np.flatnonzero(energy > 0.05 * energy.max())
            assert 10 * (steep[-1] - steep[0]) == pytest.approx(truth.qrs, abs=45), name


def test_pr_is_long_in_first_degree_block_only_and_absent_without_p(drawn):
    for name, (_, truths) in drawn.items():
        if name in ("fibrillation", "supraventricular tachycardia"):
            assert all(t.pr is None for t in truths)
        else:
            assert all((t.pr > 200) == (name == "first degree block") for t in truths), name


def test_qt_shortens_with_rate_and_t_ends_with_it(drawn, beats):
    median = {name: np.median([t.qt for t in truths]) for name, (_, truths) in drawn.items()}
    assert median["bradycardia"] > median["normal"] > median["tachycardia"] > median["supraventricular tachycardia"]
    for name in ("bradycardia", "normal", "tachycardia", "supraventricular tachycardia"):
        top = np.argmax(around_r(beats[name]["V3"], 0.1, 0.4)) / 100 + 0.1
        end = median[name] / 1000 - 0.045  # after R
        assert 0.02 < end - top < 0.1, name


def test_women_have_longer_qtc_and_lower_voltage():
    def draw(sex):
        rng = np.random.default_rng(0)
        people = [draw_patient(CONDITIONS["normal"], sex, 50, rng) for _ in range(200)]
        return np.mean([p.qtc for p in people]), np.mean([p.gains for p in people])

    assert draw("female")[0] > draw("male")[0] + 0.008
    assert draw("female")[1] < 0.95 * draw("male")[1]


def test_intervals_are_irregular_in_fibrillation_and_regular_in_supraventricular_tachycardia(drawn):
    def spread(name):
        return np.median([np.std(np.diff(t.r_peaks)) / np.mean(np.diff(t.r_peaks)) for t in drawn[name][1]])

    assert spread("fibrillation") > 0.12
    assert 0.01 < spread("normal") < 0.08
    assert spread("supraventricular tachycardia") < 0.03


def test_ectopic_beats_come_early_look_different_and_pause(drawn):
    signals, truths = drawn["ventricular ectopy"]
    early = late = 0
    for signal, truth in zip(signals, truths, strict=True):
        assert any(truth.ectopic)
        normal = np.array(truth.r_peaks)[~np.array(truth.ectopic)]
        template = median_beat(signal, normal, 0.1, 0.1)
        for index in np.flatnonzero(truth.ectopic):
            if 0 < index < len(truth.ectopic) - 1 and 0.2 < truth.r_peaks[index] < 9.8:
                before, after = np.diff(truth.r_peaks[index - 1 : index + 2])
                early, late = early + (before < 0.85 * np.median(np.diff(normal))), late + (after > before)
                beat = median_beat(signal, [truth.r_peaks[index]], 0.1, 0.1)
                assert np.abs(beat - template).max() > 0.5
    assert early == late > PEOPLE / 2


def test_left_bundle_branch_block(beats):
    beat = beats["left bundle branch block"]
    for lead in ("I", "V6"):
        assert around_r(beat[lead], -0.1, 0.1).max() > 0.4
        assert around_r(beat[lead], 0.15, 0.4).min() < -0.05
    assert around_r(beat["V1"], -0.1, 0.1).max() < 0.15
    assert around_r(beat["V1"], -0.1, 0.1).min() < -0.5
    assert around_r(beat["V1"], 0.15, 0.4).max() > 0.1


def test_right_bundle_branch_block(beats):
    beat = beats["right bundle branch block"]
    assert around_r(beat["V1"], 0.04, 0.1).max() > 0.5
    assert around_r(beat["V1"], 0.0, 0.04).min() < -0.1
    for lead in ("I", "V6"):
        assert around_r(beat[lead], 0.04, 0.1).min() < -0.15


def test_infarctions(beats):
    for lead in ("II", "III", "aVF"):
        assert around_r(beats["inferior infarction"][lead], -0.06, 0.0).min() < -0.15
        assert around_r(beats["inferior infarction"][lead], 0.15, 0.4).min() < -0.05
    for lead in ("V1", "V2", "V3"):
        assert around_r(beats["anteroseptal infarction"][lead], -0.06, 0.06).max() < 0.1
        assert around_r(beats["normal"][lead], -0.06, 0.06).max() > 0.12


def test_hypertrophy_meets_sokolow_lyon_and_normal_does_not(beats):
    def index(name):
        return -beats[name]["V1"].min() + max(beats[name]["V5"].max(), beats[name]["V6"].max())

    assert index("hypertrophy") > 3.5 > index("normal")
    assert around_r(beats["hypertrophy"]["V6"], 0.15, 0.4).min() < -0.1


def test_frontal_axis_turns_left_in_anterior_fascicular_block(drawn, beats):
    axis = {name: np.median([t.axis for t in truths]) for name, (_, truths) in drawn.items()}
    assert axis["left anterior fascicular block"] < -30 < 30 < axis["normal"] < 90
    for lead in ("II", "III", "aVF"):
        qrs = around_r(beats["left anterior fascicular block"][lead], -0.05, 0.06)
        assert qrs.max() > 0.04
        assert -qrs.min() > qrs.max()


def test_t_waves_are_inverted_in_ischemia(beats):
    for lead in ("V4", "V5", "V6"):
        assert around_r(beats["ischemia"][lead], 0.15, 0.4).min() < -0.1
        assert around_r(beats["normal"][lead], 0.15, 0.4).max() > 0.1


def test_the_highest_point_of_v5_is_that_of_its_beats(drawn):
    v5 = LEADS.index("V5")
    for name in ("normal", "hypertrophy", "left bundle branch block"):
        signals, truths = drawn[name]
        highest = [
            (median_beat(signal, truth.r_peaks, 0.06, 0.06)[v5] - np.median(signal[v5])).max()
            for signal, truth in zip(signals, truths, strict=True)
        ]
        assert np.median(highest) == pytest.approx(np.median([truth.r_v5 for truth in truths]), abs=0.12), name
