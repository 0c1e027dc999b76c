import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from sediff.errors import UserError
from sediff.files import read_json
from sediff.simulator.beats import POINTS, class_beats, median_beats, ventricular_beats
from sediff.simulator.fit import fit_simulator
from sediff.simulator.morphology import UPWARD, Morphology
from sediff.simulator.ode import ECGSYN, Waves, omega_of, steady_beat
from sediff.simulator.params import SimulatorParams
from tests.simulator.corpora import PEAKS, write_corpus

QUICK = SimulatorParams(min_records=20, steps=8, record_steps=4)


def run(folder, vocabulary, corpus, params=QUICK):
    """Run the stage; give its folder and its metrics."""
    out, report = folder / "out", folder / "report"
    out.mkdir()
    report.mkdir()
    fit_simulator(params, corpus, vocabulary, out, report)
    return out, read_json(report / "metrics.json")


def test_fallbacks_are_recorded_and_loaded(tmp_path, vocabulary):
    corpus = write_corpus(tmp_path, {"NORM": 30, "CLBBB": 30, "IVCD": 2, "BIGU": 2})
    out, metrics = run(tmp_path, vocabulary, corpus)
    morphology = Morphology.load(out)
    assert dict(zip(morphology.statements, morphology.sources, strict=True)) == {
        "*": "all",
        "BIGU": "all",
        "CLBBB": "statement",
        "IVCD": "superclass",
        "NORM": "statement",
    }
    theta, _, _ = morphology.for_statements([["BIGU"], []])
    assert torch.equal(theta[0], theta[1]), "all records' beat stands for both"
    assert metrics["fallbacks"] == {"BIGU": "all", "IVCD": "superclass"}
    assert set(metrics["relative_error"]["by_statement"]) == {"NORM", "CLBBB"}
    assert len(metrics["relative_error"]["by_lead"]) == 8
    assert (tmp_path / "report/plots/fits.png").is_file()
    assert (tmp_path / "report/plots/errors.png").is_file()


def test_training_records_have_fits_of_their_own(tmp_path, vocabulary):
    corpus = write_corpus(tmp_path, {"NORM": 30}, split=["train"] * 25 + ["test"] * 5)
    out, metrics = run(tmp_path, vocabulary, corpus, SimulatorParams(steps=20))
    table = pl.read_parquet(out / "records.parquet")
    assert table["record_id"].to_list() == [f"x/{row}" for row in range(25)], "training records alone, in corpus order"
    assert metrics["records"]["fitted"] == 25
    assert np.stack(table["error"].to_list()).max() < 0.05, "of a P, an R and a T wave, sampled at 100 Hz"
    waves = Waves(*(torch.from_numpy(np.stack(table[name].to_list())).view(-1, 8, 5) for name in Waves._fields))
    rates = torch.full((25, 8), 75.0)
    beats = steady_beat(omega_of(rates), *waves.at_rate(rates, Morphology.load(out).common), POINTS)
    sizes = np.random.default_rng(0).uniform(0.5, 1.5, (30, 12))[:25, [0, 1, 6, 7, 8, 9, 10, 11]]
    heights = (beats.amax(-1) - beats.amin(-1)).numpy()
    # An amplitude is as the record's own, but for the dip that the model makes beside a lone R.
    assert heights == pytest.approx(sizes, rel=0.12)


def test_the_stage_writes_the_same_bytes_again(tmp_path, vocabulary):
    corpus = write_corpus(tmp_path, {"NORM": 30})

    def hashes(name):
        (tmp_path / name).mkdir()
        out, _ = run(tmp_path / name, vocabulary, corpus)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}

    first = hashes("first")
    assert first == hashes("second")
    assert len(first) == 4


def test_exponents_are_ecgsyn_s_where_all_beat_alike_and_are_stored(tmp_path, vocabulary):
    out, metrics = run(tmp_path, vocabulary, write_corpus(tmp_path, {"NORM": 25}))
    assert all(map(torch.allclose, Morphology.load(out).common, ECGSYN))
    assert metrics["rate_slopes"] == {}


def test_one_record_is_enough(tmp_path, vocabulary):
    out, metrics = run(tmp_path, vocabulary, write_corpus(tmp_path, {"NORM": 1}))
    assert metrics["fallbacks"] == {"NORM": "all"}
    assert metrics["records"]["fitted"] == 1
    assert torch.isfinite(Morphology.load(out).a).all()


def test_constant_leads_have_flat_fits(tmp_path, vocabulary):
    signals = np.zeros((25, 12, 1000), np.int16)
    signals[:, 1] = (1000 * np.exp(-0.5 * ((np.arange(1000) / 100 - PEAKS[:, None]) / 0.02) ** 2).sum(0)).astype(int)
    out, metrics = run(tmp_path, vocabulary, write_corpus(tmp_path, {"NORM": 25}, signals=signals))
    morphology = Morphology.load(out)
    waves = Waves(morphology.theta, morphology.a, morphology.b)
    height = waves.heights(omega_of(torch.tensor(60.0)).expand(waves.a.shape[:-1])).abs()
    assert height[:, 0].max() < 1e-3
    assert height[:, 1].max() > 0.5
    assert np.isfinite(metrics["relative_error"]["worst"])


def test_without_heart_rates_one_sentence_says_so(tmp_path, vocabulary):
    corpus = write_corpus(tmp_path, {"NORM": 3}, heart_rate=pa.array([None] * 3, pa.float32()))
    with pytest.raises(UserError, match="No training record of the corpus has a heart rate"):
        run(tmp_path, vocabulary, corpus)


def test_without_complete_beats_one_sentence_says_so(tmp_path, vocabulary):
    corpus = write_corpus(tmp_path, {"NORM": 3}, beat_kinds=[["V"] * len(PEAKS)] * 3)
    with pytest.raises(UserError, match="has a complete beat"):
        run(tmp_path, vocabulary, corpus)


def test_without_training_records_one_sentence_says_so(tmp_path, vocabulary):
    corpus = write_corpus(tmp_path, {"NORM": 3}, split=["test"] * 3)
    with pytest.raises(UserError, match="no training record"):
        run(tmp_path, vocabulary, corpus)


def test_a_median_beat_lies_over_theta_and_takes_its_kind_of_beats():
    peaks = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    x = 1000 * np.exp(-0.5 * ((np.arange(1000) / 100 - peaks[:, None] - 0.25) / 0.05) ** 2).sum(0)
    signals = np.tile(x, (1, 8, 1)).astype(np.int16)
    beats = median_beats(signals, [peaks], [["N"] * 5], np.array([60.0]))
    assert beats[0, 0].argmax() == pytest.approx(POINTS * 0.75, abs=1), "a quarter of RR after R is at π / 2"
    assert np.isnan(median_beats(signals, [peaks], [["N"] * 5], np.array([60.0]), "V")).all()
    assert np.isnan(median_beats(signals, [peaks], [["N"] * 5], np.array([np.nan]))).all()


def test_a_class_s_t_ends_at_the_median_phase_of_its_records(vocabulary):
    beats, rates = np.zeros((30, 8, POINTS), np.float32), np.full(30, 80.0)
    ends = np.r_[np.full(20, 0.3), np.full(9, np.nan), 0.6]
    classes, _ = class_beats(beats, [["NORM"]] * 29 + [["CLBBB"]], rates, ends, vocabulary, 1)
    found = {one.name: one.t_end for one in classes}
    assert found["NORM"] == pytest.approx(2 * np.pi * 0.3 / 0.75)
    assert found["CLBBB"] == pytest.approx(2 * np.pi * 0.6 / 0.75)
    (unknown, *_), _ = class_beats(beats, [["NORM"]] * 30, rates, np.full(30, np.nan), vocabulary, 1)
    assert np.isnan(unknown.t_end)


def test_ventricular_beats_are_told_apart_by_v1():
    up = np.zeros((30, 8, POINTS), np.float32)
    up[..., POINTS // 2 - 4 : POINTS // 2 + 4] = 1
    beats = np.concatenate([up, -up[:5], np.full((9, 8, POINTS), np.nan, np.float32)])
    ((beat, count),) = ventricular_beats(beats, np.full(44, 70.0), 20)
    assert (beat.name, count) == (UPWARD, 30)
    assert beat.beat.max() == 1


def test_r_amplitude_of_fitted_statements_stays_within_2_percent(tmp_path, vocabulary):
    out, _ = run(tmp_path, vocabulary, write_corpus(tmp_path, {"NORM": 25}), SimulatorParams(steps=30))
    morphology = Morphology.load(out)
    waves = Waves(morphology.theta, morphology.a, morphology.b)

    def heights(at):
        rates = torch.full(waves.a.shape[:-1], at)
        beats = steady_beat(omega_of(rates), *waves.at_rate(rates, morphology.common), 2000)
        return beats.amax(-1) - beats[..., 0]

    over_rates = torch.stack([heights(rate) for rate in (50.0, 60.0, 75.0, 100.0, 125.0, 150.0)])
    assert (over_rates / over_rates.mean(0) - 1).abs().max() < 0.02
