import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sediff.beats import heart_rate
from sediff.cli import app
from sediff.ecg import independent_leads, limb_lead_residual
from sediff.errors import UserError
from sediff.files import read_json
from sediff.records import read_columns, read_signals
from sediff.simulator.dataset import Simulator, Wanted, write_simulation
from sediff.simulator.fit import fit_simulator
from sediff.simulator.params import SimulatorParams
from sediff.simulator.rhythm import RHYTHMS
from tests.conftest import ROOT
from tests.simulator.corpora import write_corpus


@pytest.fixture(scope="module")
def project(tmp_path_factory, vocabulary):
    """A project's folder with a fitted simulator."""
    folder = tmp_path_factory.mktemp("project")
    corpus = write_corpus(folder, {"NORM": 25, "CLBBB": 25, "AFIB": 2})
    out, report = folder / "data/simulator", folder / "report"
    out.mkdir(parents=True)
    report.mkdir()
    fit_simulator(SimulatorParams(steps=10, record_steps=2), corpus, vocabulary, out, report)
    (folder / "knowledge").symlink_to(ROOT / "knowledge")
    return folder


def test_identities_hold_and_the_mean_rate_is_what_was_asked(project, vocabulary, tmp_path):
    said = write_simulation(project / "data/simulator", vocabulary, Wanted(("CLBBB",), 60.0), 100, 0, tmp_path)
    assert "100 records" in said
    signals, rows = read_signals(tmp_path), read_columns(tmp_path)
    residual = np.abs(limb_lead_residual(signals)).max((0, 2))
    assert residual[0] == 0
    assert residual[1:].max() <= 0.5
    assert np.mean([heart_rate(row) for row in rows["r_peaks"].to_list()]) == pytest.approx(60, abs=0.5)
    assert np.abs(signals).max() > 300
    assert read_json(tmp_path / "manifest.json")["statements"] == ["CLBBB"]
    assert set(rows["simulator_statement"]) == {"CLBBB"}


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_every_rhythm_can_be_simulated(project, rhythm):
    made = Simulator.load(project / "data/simulator").simulate(Wanted(("NORM",), 80.0, rhythm), 3, 0)
    assert made.signals.shape == (3, 12, 1000)
    assert (np.ptp(independent_leads(made.signals), axis=-1) > 200).all()
    assert len({signal.tobytes() for signal in made.signals}) == 3


def test_a_record_depends_on_seed_and_index_alone(project):
    simulator = Simulator.load(project / "data/simulator")
    many = simulator.simulate(Wanted(("NORM",), 70.0), 40, 0).signals
    assert np.array_equal(simulator.simulate(Wanted(("NORM",), 70.0), 5, 0).signals, many[:5])
    assert not np.array_equal(simulator.simulate(Wanted(("NORM",), 70.0), 5, 1).signals, many[:5])


def test_the_statement_s_usual_rate_is_taken_where_its_records_tell_it(project):
    simulator = Simulator.load(project / "data/simulator")
    assert simulator.simulate(Wanted(("NORM",)), 1, 0).heart_rate == 75
    with pytest.raises(UserError, match="Too few training records have AFIB to tell a rate: give --heart-rate"):
        simulator.simulate(Wanted(("AFIB",)), 1, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--statement", "XYZ"], "'XYZ' is no statement"),
        (["--statement", "NORM", "--heart-rate", "-5"], "-5 bpm cannot be simulated"),
        (["--statement", "NORM", "--heart-rate", "nan"], "nan bpm cannot be simulated"),
        (["--rhythm", "waltz"], "There is no rhythm 'waltz'"),
    ],
)
def test_nonsense_is_one_sentence(project, monkeypatch, tmp_path, options, sentence):
    monkeypatch.chdir(project)
    result = CliRunner().invoke(app, ["simulate", *options, "--out", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)


def test_without_a_fitted_simulator_one_sentence_says_so(project, monkeypatch, tmp_path):
    (tmp_path / "knowledge").symlink_to(ROOT / "knowledge")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["simulate", "--statement", "NORM"])
    assert isinstance(result.exception, UserError)
    assert "run `sediff run simulator` first" in str(result.exception)


def test_the_command_writes_records(project, monkeypatch, tmp_path):
    monkeypatch.chdir(project)
    command = ["simulate", "--statement", "CLBBB", "--heart-rate", "60", "-n", "3", "--out", str(tmp_path / "made")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "morphology of CLBBB" in result.output
    assert torch.from_numpy(read_signals(tmp_path / "made")).shape == (3, 12, 1000)
