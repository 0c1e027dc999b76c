import numpy as np
import pytest

from sediff.beats import heart_rate, rmssd
from sediff.simulator.rhythm import (
    ECTOPIC,
    FIBRILLATION,
    RHYTHMS,
    SINUS,
    Beats,
    RhythmModel,
    phase,
    rhythm_of,
    sample_r_peaks,
)


def inside(times):
    return times[(times >= 0) & (times < 10)]


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("rate", [45, 75, 160])
def test_mean_rate_is_what_was_asked(rhythm, rate):
    rng = np.random.default_rng(0)
    rates = [heart_rate(inside(sample_r_peaks(Beats(rhythm, 0.05, 0.1), rate, rng)[0])) for _ in range(200)]
    assert np.mean(rates) == pytest.approx(rate, abs=max(1.0, 0.02 * rate))


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("rate", [40, 90, 150])
def test_mean_rate_holds_for_irregular_rhythms_and_peaks_cover_the_window(rhythm, rate):
    rng = np.random.default_rng(1)
    drawn = [sample_r_peaks(Beats(rhythm, 0.3, 0.1), rate, rng)[0] for _ in range(500)]
    assert np.mean([heart_rate(inside(times)) for times in drawn]) == pytest.approx(rate, abs=0.8)
    assert all(times[0] < 0 and times[-1] > 10 for times in drawn)
    assert all((np.diff(times) > 0).all() for times in drawn)


@pytest.mark.parametrize("rhythm", [SINUS, FIBRILLATION])
def test_dispersion_is_what_was_asked(rhythm):
    rng = np.random.default_rng(0)
    peaks = [inside(sample_r_peaks(Beats(rhythm, 0.15), 80, rng)[0]) for _ in range(300)]
    assert np.mean([rmssd(p) / 750 for p in peaks]) == pytest.approx(0.15, rel=0.12)


def test_fibrillation_has_no_memory_and_sinus_rhythm_has():
    rng = np.random.default_rng(0)

    def memory(rhythm):
        rows = [np.diff(inside(sample_r_peaks(Beats(rhythm, 0.1), 70, rng)[0])) for _ in range(300)]
        pairs = np.concatenate([np.stack([r[:-1] - r.mean(), r[1:] - r.mean()]) for r in rows], axis=1)
        return np.corrcoef(pairs)[0, 1]

    assert abs(memory(FIBRILLATION)) < 0.2
    assert abs(memory(SINUS)) > abs(memory(FIBRILLATION))


def test_ectopic_beats_come_early_and_a_pause_follows():
    rng = np.random.default_rng(0)
    for _ in range(50):
        times, ectopic = sample_r_peaks(Beats(ECTOPIC, 0.01, 0.1), 70, rng)
        beats = [i for i in np.flatnonzero(ectopic) if 3 <= i < len(times) - 1]
        for beat in beats:
            before, after = times[beat] - times[beat - 1], times[beat + 1] - times[beat]
            assert before < 0.8 * after
        assert ectopic[(times > 0) & (times < 10)].any()


def test_phase_is_zero_at_r_and_defined_everywhere():
    times, _ = sample_r_peaks(Beats(SINUS, 0.05), 70, np.random.default_rng(0))
    assert np.allclose(phase(times, inside(times)), 0, atol=1e-9)
    theta = phase(times, np.arange(1000) / 100)
    assert theta.min() >= -np.pi
    assert theta.max() < np.pi
    steps = np.diff(np.unwrap(theta))
    assert (steps > 0).all(), "phase only moves forward"


def test_rhythm_of_statements():
    assert rhythm_of(["AFIB", "PVC"]) == FIBRILLATION
    assert rhythm_of(["PVC", "SR"]) == ECTOPIC
    assert rhythm_of(["NORM"]) == SINUS


def test_fitted_dispersion_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    statements = [["AFIB"]] * 60 + [["SR"]] * 60
    wanted = [Beats(FIBRILLATION, 0.25)] * 60 + [Beats(SINUS, 0.03)] * 60
    model = RhythmModel.fit(statements, [inside(sample_r_peaks(b, 75, rng)[0]) for b in wanted], 20)
    model.save(tmp_path)
    loaded = RhythmModel.load(tmp_path)
    assert loaded.dispersions == model.dispersions
    assert np.exp(loaded.dispersions[FIBRILLATION].log_mean) == pytest.approx(0.25, rel=0.2)
    assert np.exp(loaded.dispersions[SINUS].log_mean) == pytest.approx(0.03, rel=0.2)
