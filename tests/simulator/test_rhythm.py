import numpy as np
import pytest

from sediff.simulator.course import sample_course, sample_r_peaks
from sediff.simulator.rhythm import (
    ATRIAL,
    BIGEMINY,
    COMPLETE_BLOCK,
    ECTOPIC,
    FIBRILLATION,
    FLUTTER,
    NORMAL,
    RHYTHMS,
    SECOND_DEGREE,
    SINUS,
    STATEMENTS_OF,
    USUAL_ECTOPY,
    VENTRICULAR,
    Beats,
    Ectopy,
    RhythmModel,
    phase,
    rhythm_of,
)


def inside(times):
    return times[(times >= 0) & (times < 10)]


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
    assert rhythm_of(["PVC", "BIGU"]) == BIGEMINY
    assert rhythm_of(["2AVB", "SR"]) == SECOND_DEGREE
    assert rhythm_of(["3AVB"]) == COMPLETE_BLOCK
    assert rhythm_of(["NORM"]) == SINUS


def test_every_rhythm_statement_of_the_vocabulary_has_a_rhythm(vocabulary):
    named = {code for codes in STATEMENTS_OF.values() for code in codes}
    sinus = {"SR", "STACH", "SBRAD", "BRADY"}
    rhythmic = {code for code in vocabulary.codes if "rhythm" in vocabulary[code].kinds}
    assert rhythmic <= named | sinus
    assert named <= set(vocabulary.codes)


def fit(statements, peaks, kinds=None, p_onsets=None):
    """A fit to records of normal beats with P waves, unless said otherwise."""
    kinds = kinds or [[NORMAL] * len(row) for row in peaks]
    return RhythmModel.fit(statements, peaks, kinds, p_onsets or [[0.1] * len(row) for row in peaks], 20)


def test_fitted_dispersion_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    statements = [["AFIB"]] * 60 + [["SR"]] * 60
    wanted = [Beats(FIBRILLATION, 0.25)] * 60 + [Beats(SINUS, 0.03)] * 60
    peaks = [inside(sample_r_peaks(b, 75, rng)[0]) for b in wanted]
    model = fit(statements, peaks)
    model.save(tmp_path)
    loaded = RhythmModel.load(tmp_path)
    assert loaded.fits == model.fits
    assert loaded.ectopy == model.ectopy == USUAL_ECTOPY, "nobody had an ectopic beat"
    drawn = [[loaded.draw(rhythm, 75, rng).dispersion for _ in range(50)] for rhythm in (FIBRILLATION, SINUS)]
    assert np.median(drawn[0]) == pytest.approx(0.25, rel=0.2)
    assert np.median(drawn[1]) == pytest.approx(0.03, rel=0.2)


def test_dispersion_follows_the_rate_and_keeps_its_tail():
    rng = np.random.default_rng(0)
    rates = np.repeat([50.0, 100.0], 300)
    wanted = np.where(np.arange(600) % 5 == 0, 0.2, np.where(rates < 75, 0.06, 0.01))
    peaks = [inside(sample_r_peaks(Beats(SINUS, w), r, rng)[0]) for w, r in zip(wanted, rates, strict=True)]
    model = fit([["SR"]] * 600, peaks)
    for rate, median in ((50, 0.06), (100, 0.01)):
        drawn = np.array([model.draw(SINUS, rate, rng).dispersion for _ in range(400)])
        assert np.median(drawn) == pytest.approx(median, rel=0.2)
        assert (drawn > 0.12).mean() == pytest.approx(0.2, abs=0.06)


def test_fitted_ectopy_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    drawn = [sample_course(Beats(ECTOPIC, 0.01, 0.1, Ectopy(0.6, 0.7, 0.9)), 70, rng) for _ in range(100)]
    peaks, kinds = [c.r_peaks for c in drawn], [c.kinds.tolist() for c in drawn]
    model = fit([["PVC"]] * 100, peaks, kinds)
    fitted = model.ectopy[VENTRICULAR]
    assert fitted.count > 90
    assert (fitted.earliest, fitted.latest, fitted.recovery) == pytest.approx((0.61, 0.69, 0.9), abs=0.02)
    assert model.ectopy[ATRIAL] == USUAL_ECTOPY[ATRIAL], "too few of them"
    assert model.fits[ECTOPIC].early_share == pytest.approx(np.mean([np.mean(c.kinds != NORMAL) for c in drawn]))
    model.save(tmp_path)
    assert RhythmModel.load(tmp_path).ectopy == model.ectopy


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_every_rhythm_can_be_drawn(rhythm):
    peaks = [np.arange(0.3, 10, 0.8)] * 3
    model = fit([["SR"]] * 3, peaks)
    beats = model.draw(rhythm, 75, np.random.default_rng(0))
    assert beats.rhythm == rhythm
    assert 0 < beats.dispersion < 0.1


def test_as_many_beats_have_a_p_wave_as_in_the_records_of_the_rhythm_and_none_in_fibrillation():
    """A third of the flutters, and one fast sinus rhythm in two, show none."""
    peaks = [np.arange(0.3, 10, 0.8)] * 300 + [np.arange(0.3, 10, 0.5)] * 300 + [np.arange(0.3, 10, 0.7)] * 60
    statements = [["SR"]] * 600 + [["AFLT"]] * 30 + [["AFIB"]] * 30
    seen = [True] * 300 + [True, False] * 150 + [True, True, False] * 10 + [True] * 30
    kinds = [[VENTRICULAR, VENTRICULAR, *[NORMAL] * (len(row) - 2)] for row in peaks]
    onsets = [[None, None, *[0.1 if p else None] * (len(row) - 2)] for row, p in zip(peaks, seen, strict=True)]
    model, rng = fit(statements, peaks, kinds, onsets), np.random.default_rng(0)
    for rhythm, rate, wanted in ((SINUS, 70, 1), (SINUS, 110, 0.5), (FLUTTER, 80, 2 / 3), (FIBRILLATION, 80, 0)):
        drawn = [model.draw(rhythm, rate, rng).p_share for _ in range(400)]
        assert np.mean(drawn) == pytest.approx(wanted, abs=0.07), rhythm


def test_one_record_is_enough():
    model = fit([["SR"]], [np.array([1.0, 2.0])])
    assert np.isfinite(model.draw(SINUS, 75, np.random.default_rng(0)).dispersion)
