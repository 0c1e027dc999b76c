import math

import numpy as np
import pyarrow as pa
import torch
from scipy.integrate import solve_ivp

from sediff.beats import find_r_peaks
from sediff.files import read_json
from sediff.records import SIGNAL, signal_column, write_table
from sediff.simulator.fit import POINTS, fit, fit_simulator
from sediff.simulator.morphology import Morphology, simulate
from sediff.simulator.ode import scale_with_rate, steady_beat, vector_field
from sediff.simulator.params import SimulatorParams
from sediff.simulator.rhythm import phase

THETA = torch.tensor([-1.1, -0.22, 0.0, 0.25, 1.6])
B = torch.tensor([0.22, 0.1, 0.12, 0.1, 0.35])


def _corpus(folder, counts):
    """A corpus of one shard with some records of each statement, all training, bumps at 75 bpm for beats."""
    peaks = np.arange(0.4, 10, 0.8)
    beat = np.exp(-0.5 * ((np.arange(1000) / 100 - peaks[:, None]) / 0.02) ** 2).sum(0)
    codes = [[code] for code, count in counts.items() for _ in range(count)]
    rng = np.random.default_rng(0)
    signals = (1000 * beat * rng.uniform(0.5, 1.5, (len(codes), 12, 1))).astype(np.int16)
    columns = {
        "split": ["train"] * len(codes),
        "statements": codes,
        "heart_rate": pa.array([75.0] * len(codes), pa.float32()),
        "r_peaks": pa.array([peaks.tolist()] * len(codes), pa.list_(pa.float32())),
        SIGNAL.name: signal_column(signals),
    }
    write_table(pa.table(columns), folder / "corpus/records/shard-000.parquet")
    return folder / "corpus"


def test_a_known_beat_is_fitted():
    rates = torch.tensor([60.0, 90.0])
    amplitude = torch.tensor([0.1, -0.1, 1.0, -0.2, 0.3]).expand(2, 8, 5) * torch.linspace(0.5, 1.2, 8)[:, None]
    theta, b = scale_with_rate(THETA.expand(2, 8, 5), B.expand(2, 8, 5), rates[:, None])
    omega = (2 * math.pi * rates / 60)[:, None].expand(2, 8)
    beats = steady_beat(omega, theta, amplitude * omega[..., None] / b**2, b, POINTS)
    _, _, _, fitted = fit(beats, rates, SimulatorParams(steps=500))
    error = ((fitted - beats) ** 2).mean(-1) / beats.var(-1)
    assert error.sqrt().max() < 0.06


def test_the_rarest_statement_with_a_fit_stands_for_a_record():
    zeros = torch.zeros(3, 8, 5)
    morphology = Morphology(("*", "SR", "CLBBB"), (100, 80, 9), zeros, zeros, zeros + 0.1)
    assert morphology.statement_of([["CLBBB", "SR"], ["SR"], ["XYZ"], []]) == ["CLBBB", "SR", "*", "*"]


def test_three_deflections_of_a_right_block_are_fitted():
    theta = torch.linspace(-math.pi, math.pi, POINTS + 1)[:-1]
    waves = ((-0.1, 0.07, 0.25), (0.16, 0.08, -0.4), (0.45, 0.13, 0.8), (2.1, 0.4, -0.25), (-1.2, 0.2, 0.06))
    beat = sum(height * torch.exp(-0.5 * ((theta - place) / width) ** 2) for place, width, height in waves)
    _, _, _, fitted = fit(beat.expand(1, 8, POINTS), torch.tensor([70.0]), SimulatorParams())
    assert ((fitted - beat) ** 2).mean().sqrt() / beat.std() < 0.15


def test_a_statement_without_a_fit_of_its_own_stands_for_nobody_who_has_one():
    zeros = torch.zeros(4, 8, 5)
    morphology = Morphology(
        ("*", "BIGU", "CLBBB", "IVCD"),
        (100, 2, 50, 3),
        zeros,
        zeros,
        zeros + 0.1,
        ("all", "all", "statement", "superclass"),
    )
    rows = [["BIGU", "CLBBB"], ["CLBBB", "IVCD"], ["BIGU", "IVCD"], ["BIGU"]]
    assert morphology.statement_of(rows) == ["CLBBB", "CLBBB", "IVCD", "*"]


def test_fallbacks_are_recorded_and_loaded(tmp_path, vocabulary):
    records = _corpus(tmp_path, {"NORM": 30, "CLBBB": 30, "IVCD": 2, "BIGU": 2})
    out, report = tmp_path / "out", tmp_path / "report"
    out.mkdir()
    report.mkdir()
    fit_simulator(SimulatorParams(min_records=20, steps=5), records, vocabulary, out, report)
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
    metrics = read_json(report / "metrics.json")
    assert metrics["fallbacks"] == {"BIGU": "all", "IVCD": "superclass"}
    assert set(metrics["relative_error"]["by_statement"]) == {"NORM", "CLBBB"}
    assert (report / "plots/fits.png").is_file()


def test_narrow_waves_on_an_irregular_rhythm_agree_with_a_tight_solver():
    peaks = np.array([-1.2, -0.3, 0.6, 1.1, 2.2, 2.9, 4.1, 4.6, 5.7, 6.3, 7.4, 8.2, 8.7, 9.9, 10.6])
    b = torch.tensor([0.25, 0.04, 0.04, 0.04, 0.4])
    a = torch.tensor([0.1, -0.1, 1.0, -0.2, 0.3]) * 2 * math.pi / b**2
    z = simulate(tuple(value.expand(1, 8, 5) for value in (THETA, a, b)), [peaks], [60.0])[0, 0].numpy()
    theta_i, a_i, b_i = (value.double() for value in (THETA, a, b))

    def slope(t, z):
        return vector_field(
            torch.from_numpy(z), torch.from_numpy(phase(peaks, np.array([t]))), theta_i, a_i, b_i
        ).numpy()

    time = np.arange(400) / 100
    solved = solve_ivp(slope, (0, 4), [z[0]], t_eval=time, rtol=1e-7, atol=1e-9, max_step=0.004).y[0]
    assert np.abs(z[:400] - solved).max() < 5e-3 * np.abs(solved).max()


def test_simulated_records_follow_their_rhythm():
    waves = (THETA.expand(1, 8, 5), torch.tensor([1.0, -4.0, 40.0, -8.0, 1.5]).expand(1, 8, 5), B.expand(1, 8, 5))
    peaks = np.arange(-0.5, 12, 0.75)
    x = simulate(waves, [peaks], [80.0]).numpy()
    (found,) = find_r_peaks(x)
    wanted = peaks[(peaks > 0.1) & (peaks < 9.9)]
    assert len(found) == len(wanted)
    assert np.abs(found - wanted).max() < 0.03
