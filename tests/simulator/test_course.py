import numpy as np
import pytest

from sediff.beats import heart_rate, rmssd
from sediff.simulator.course import WITHOUT_P, sample_course, sample_r_peaks
from sediff.simulator.rhythm import (
    ATRIAL,
    ATRIAL_ECTOPIC,
    BIGEMINY,
    COMPLETE_BLOCK,
    ECTOPIC,
    FIBRILLATION,
    FLUTTER,
    NORMAL,
    PAUSE,
    RHYTHMS,
    SECOND_DEGREE,
    SINUS,
    TRIGEMINY,
    USUAL_ECTOPY,
    VENTRICULAR,
    Beats,
    Ectopy,
)


def inside(times):
    return times[(times >= 0) & (times < 10)]


def courses(beats, rate, count=100, seed=0):
    rng = np.random.default_rng(seed)
    return [sample_course(beats, rate, rng) for _ in range(count)]


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("rate", [45, 60, 75, 160])
def test_mean_rate_of_100_records_is_what_was_asked(rhythm, rate):
    rates = [heart_rate(inside(course.r_peaks)) for course in courses(Beats(rhythm, 0.03, 0.1), rate)]
    assert np.mean(rates) == pytest.approx(rate, abs=0.5)


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("rate", [40, 90, 150])
def test_mean_rate_holds_for_irregular_rhythms_and_peaks_cover_the_window(rhythm, rate):
    drawn = [course.r_peaks for course in courses(Beats(rhythm, 0.3, 0.1), rate, 500, 1)]
    assert np.mean([heart_rate(inside(times)) for times in drawn]) == pytest.approx(rate, abs=0.02 * rate)
    assert all(times[0] < 0 and times[-1] > 10 for times in drawn)
    assert all((np.diff(times) > 0).all() for times in drawn)


@pytest.mark.parametrize("rhythm", [SINUS, FIBRILLATION])
def test_dispersion_is_what_was_asked(rhythm):
    rng = np.random.default_rng(0)
    peaks = [inside(sample_r_peaks(Beats(rhythm, 0.15), 80, rng)[0]) for _ in range(300)]
    assert np.mean([rmssd(p) / 750 for p in peaks]) == pytest.approx(0.15, rel=0.12)


def test_the_spectrum_of_sinus_rhythm_has_the_paper_s_two_peaks():
    rng = np.random.default_rng(0)
    power = 0.0
    for _ in range(50):
        times = sample_r_peaks(Beats(SINUS, 0.03), 60, rng, 300.0)[0]
        intervals = np.diff(times)[3:260]
        power = power + np.abs(np.fft.rfft(intervals - intervals.mean())) ** 2
    frequency = np.fft.rfftfreq(257, 1.0)

    def near(centre):
        return power[np.abs(frequency - centre) < 0.03].sum()

    assert near(0.1) + near(0.25) > 0.9 * power.sum()
    assert near(0.1) / near(0.25) == pytest.approx(0.5, abs=0.15)


def test_fibrillation_has_no_memory_and_sinus_rhythm_has():
    rng = np.random.default_rng(0)

    def memory(rhythm):
        rows = [np.diff(inside(sample_r_peaks(Beats(rhythm, 0.1), 70, rng)[0])) for _ in range(300)]
        pairs = np.concatenate([np.stack([r[:-1] - r.mean(), r[1:] - r.mean()]) for r in rows], axis=1)
        return np.corrcoef(pairs)[0, 1]

    assert abs(memory(FIBRILLATION)) < 0.2
    assert abs(memory(SINUS)) > abs(memory(FIBRILLATION))


@pytest.mark.parametrize(
    ("rhythm", "kind", "both"),
    [(ECTOPIC, VENTRICULAR, 2.0), (ATRIAL_ECTOPIC, ATRIAL, 1.86), (BIGEMINY, VENTRICULAR, 2.0)],
)
def test_ectopic_beats_have_their_coupling_and_pause(rhythm, kind, both):
    ectopy = USUAL_ECTOPY[kind]
    for course in courses(Beats(rhythm, 0.002, 0.05, ectopy), 70):
        assert (course.kinds[(course.r_peaks > 0) & (course.r_peaks < 10)] == kind).any()
        intervals = np.diff(course.r_peaks)
        for beat in np.flatnonzero(course.kinds == kind):
            if 3 <= beat < len(intervals) - 1 and rhythm != BIGEMINY:
                usual = np.median(intervals)
                assert ectopy.earliest - 0.04 < intervals[beat - 1] / usual < ectopy.latest + 0.04
                assert (intervals[beat - 1] + intervals[beat]) / usual == pytest.approx(both, abs=0.1)
            elif 3 <= beat < len(intervals) - 1:
                assert intervals[beat - 1] < intervals[beat]


@pytest.mark.parametrize(("rhythm", "every"), [(BIGEMINY, 2), (TRIGEMINY, 3)])
def test_patterns_repeat(rhythm, every):
    for course in courses(Beats(rhythm, 0.01), 70, 20):
        ectopic = np.flatnonzero(course.kinds == VENTRICULAR)
        assert (np.diff(ectopic) == every).all()
        assert len(ectopic) >= 2


def test_p_waves_go_with_every_beat_but_ventricular_ones():
    for course in courses(Beats(ECTOPIC, 0.02, 0.1), 70, 20):
        assert np.array_equal(course.p_waves, course.r_peaks[course.kinds == NORMAL])
    for course in courses(Beats(ATRIAL_ECTOPIC, 0.02, 0.1), 70, 20):
        assert np.array_equal(course.p_waves, course.r_peaks)


@pytest.mark.parametrize("rhythm", WITHOUT_P)
def test_some_rhythms_have_no_p_waves(rhythm):
    assert all(len(course.p_waves) == 0 for course in courses(Beats(rhythm, 0.1), 90, 20))


def test_in_a_second_degree_block_pr_grows_or_stays_until_a_beat_is_dropped():
    growing = 0
    for course in courses(Beats(SECOND_DEGREE, 0.01), 60):
        assert len(inside(course.p_waves)) > len(inside(course.r_peaks))
        delays = [peak - course.p_waves[course.p_waves <= peak + 1e-6].max() for peak in inside(course.r_peaks)]
        grown = np.diff(delays)
        dropped = np.diff(inside(course.r_peaks)) > 1.5 * np.median(np.diff(course.p_waves))
        assert dropped.any()
        if np.ptp(delays) > 0.01:
            growing += 1
            assert (grown[~dropped] > -1e-6).all()
            assert (grown[dropped] < 0).all()
    assert 25 < growing < 75


def test_in_a_complete_block_p_waves_march_on_by_themselves():
    for course in courses(Beats(COMPLETE_BLOCK, 0.01), 40):
        pp = np.diff(course.p_waves)
        assert pp.std() < 0.05 * pp.mean()
        assert pp.mean() < 0.9 * np.diff(course.r_peaks).mean()
        assert course.p_waves[0] < 0.5
        assert course.p_waves[-1] > 10
    starts = [peak - course.p_waves[course.p_waves <= peak].max() for peak in inside(course.r_peaks)[1:]]
    assert np.ptp(starts) > 0.1, "PR is of no fixed length"


def test_a_pause_is_one_long_interval():
    for course in courses(Beats(PAUSE, 0.01), 65):
        intervals = np.diff(course.r_peaks)
        assert (intervals > 1.5 * np.median(intervals)).sum() == 1


def test_flutter_conducts_a_whole_number_of_waves():
    for course in courses(Beats(FLUTTER, 0.15), 90, 30):
        waves = np.diff(course.r_peaks) / np.diff(course.flutter).mean()
        assert np.allclose(waves, np.rint(waves), atol=1e-6)
        assert 0.15 < np.diff(course.flutter).mean() < 0.27
        assert course.flutter[0] < 0
        assert course.flutter[-1] > 10


def test_a_fitted_coupling_is_used():
    late = Ectopy(0.85, 0.9, 1.0)
    for course in courses(Beats(ECTOPIC, 0.002, 0.05, late), 70, 20):
        beat = int(np.flatnonzero(course.kinds[:-2] == VENTRICULAR)[-1])
        intervals = np.diff(course.r_peaks)
        assert 0.82 < intervals[beat - 1] / np.median(intervals) < 0.93
