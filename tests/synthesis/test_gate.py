"""The gate on simulated patients, whose statements are true."""

import ast
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import wfdb

from flows.synthesis import gate_of
from sediff.beats import find_r_peaks, heart_rate
from sediff.diffusion.intervals import Intervals
from sediff.ecg import to_microvolts, to_millivolts
from sediff.encoder.conditions import Condition
from sediff.errors import UserError
from sediff.lineage.graph import read_graph
from sediff.params import Params
from sediff.synthesis.gate import Gate, measurements
from sediff.synthesis.params import GateParams
from sediff.synthesis.request import RequestRow
from sediff.vocabulary import Vocabulary

Patients = list[tuple[tuple[str, ...], np.ndarray, float]]


@pytest.fixture(scope="module")
def patients(cohort) -> Patients:
    """Statements, signal in µV and mean rate of each recording."""
    table = pl.read_csv(cohort / "ptbxl_database.csv", infer_schema_length=0)
    found = []
    for codes, name in zip(table["scp_codes"], table["filename_lr"], strict=True):
        signal = wfdb.rdrecord(str(cohort / name)).p_signal.T
        rate = heart_rate(find_r_peaks(signal[None])[0])
        found.append((tuple(ast.literal_eval(codes)), to_microvolts(signal), rate))
    return found


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate.load(GateParams(tries=1))


def missed(gate: Gate, patients: Patients, codes: tuple[str, ...] | None = None, faster: float = 0) -> list[list[str]]:
    rows = [
        RequestRow(Condition("", heart_rate=rate + faster), own if codes is None else codes)
        for own, _, rate in patients
    ]
    return gate.misses(rows, np.stack([signal for _, signal, _ in patients]))


def test_records_that_are_what_was_asked_for_pass(gate, patients):
    passed = [not names for names in missed(gate, patients)]
    assert np.mean(passed) > 0.9


def test_another_rate_is_missed(gate, patients):
    regular = [of for of in patients if not {"AFIB", "PVC", "PAC"} & set(of[0])]
    assert all("heart_rate" in names for names in missed(gate, regular, (), faster=12))
    assert all("heart_rate" in names for names in missed(gate, regular, (), faster=-12))
    assert not any(missed(gate, regular, (), faster=3))


def test_another_axis_is_missed_on_the_circle(gate, patients):
    """Turned by a whole circle it is the same; what is measured lies within the tolerance of itself."""
    of_records = [patient for patient in patients if "NORM" in patient[0]][:4]
    measured = [
        measurements(x := to_millivolts(signal), find_r_peaks(x[None])[0])["axis"] for _, signal, _ in of_records
    ]
    for turned, names in ((0, []), (360, []), (-40, []), (60, ["axis"]), (180, ["axis"]), (-330, [])):
        rows = [RequestRow(Condition("", axis=axis + turned), ()) for axis in measured]
        assert gate.misses(rows, np.stack([signal for _, signal, _ in of_records])) == [names] * len(rows), turned


def test_fibrillation_may_be_irregular(gate, patients):
    fibrillating = [of for of in patients if "AFIB" in of[0]]
    assert len(fibrillating) > 2
    assert not any(missed(gate, fibrillating))
    intervals = [np.diff(find_r_peaks(signal[None] / 1000)[0]) for _, signal, _ in fibrillating]
    assert np.median([of.std() / of.mean() for of in intervals]) > 0.1, "and is"


def test_what_a_statement_implies_is_looked_for(gate, patients):
    normal = [of for of in patients if "NORM" in of[0]]
    for code, name in (("CLBBB", "qrs_duration"), ("1AVB", "pr"), ("AFIB", "p_waves"), ("STACH", "heart_rate")):
        named = [name in names for names in missed(gate, normal, (code,))]
        assert np.mean(named) > 0.9, code
    fibrillating = [of for of in patients if "AFIB" in of[0]]
    assert np.mean(["p_waves" in names for names in missed(gate, fibrillating, ("SR",))]) > 0.9


def test_intervals_that_were_asked_for_are_measured(gate, patients):
    """Of each patient what the record nearly has, and what it is far from having."""
    signals = np.stack([signal for codes, signal, _ in patients if "SR" in codes])
    millivolts = to_millivolts(signals)
    had = [measurements(*of) for of in zip(millivolts, find_r_peaks(millivolts), strict=True)]
    found = np.array([[of[name] for name in ("pr", "qrs_duration", "qt")] for of in had])
    known = np.isfinite(found).all(1)
    assert known.sum() > 10

    def missed_by(more: float) -> list[list[str]]:
        asked = [Intervals(*values) for values in (found[known] + more).tolist()]
        return gate.misses([RequestRow(Condition(""), (), intervals=of) for of in asked], signals[known])

    assert not any(missed_by(5))
    assert all(names == ["pr", "qrs_duration", "qt"] for names in missed_by(60))


def test_nothing_asked_is_nothing_missed(gate, patients):
    rows = [RequestRow(Condition("ECG"), ())] * len(patients)
    assert not any(gate.misses(rows, np.stack([signal for _, signal, _ in patients])))


def test_without_beats_what_was_asked_for_is_missed(gate):
    rows = [RequestRow(Condition("", heart_rate=60), ("SR",)), RequestRow(Condition(""), ("1AVB",))]
    assert gate.misses(rows, np.zeros((2, 12, 1000), np.int16)) == [["heart_rate", "p_waves"], ["pr"]]


def test_every_implication_is_of_a_statement():
    vocabulary = Vocabulary.load()
    gate = Gate.load(GateParams())
    assert gate._implications and all(map(vocabulary.known, gate._implications))


def test_a_malformed_table_is_a_sentence(tmp_path):
    path = tmp_path / "implications.yaml"
    path.write_text("CLBBB: {qrs: {min: 120}}")
    with pytest.raises(UserError, match=r"implications\.yaml is malformed"):
        Gate.load(GateParams(), path)


def test_it_is_off_for_what_is_evaluated():
    """Else it would hide what the model makes; DVC does not even show these stages its parameters."""
    params = Params.load()
    eager = params.synthesis.model_copy(update={"gate": GateParams(tries=3)})
    params = params.model_copy(update={"synthesis": eager})
    assert gate_of(params, "dataset") == GateParams(tries=3)
    graph = read_graph(Path())
    for item in ("evaluation", "augmentation"):
        assert gate_of(params, item) is None
        assert "synthesis.gate" not in graph[f"synthesis@{item}"].params
    assert "synthesis.gate" in graph["synthesis@dataset"].params
