import numpy as np
import polars as pl
import pytest

from sediff.knowledge.distill import LEADS_TOLD, NO_NEIGHBOUR, confidences, distil_offline
from sediff.knowledge.measures import SLICES, VALUES, Statistics
from sediff.knowledge.report import MAX_TEXT, Report
from sediff.knowledge.retrieval import Neighbours

USUAL = {"heart_rate": 82.4, "rmssd": 140, "qrs_duration": 95, "qt": 380, "qtcf": 420, "axis": 30}
WAVES = {"p_amplitudes": 0.1, "r_amplitudes": 1.25, "s_amplitudes": -0.5, "t_amplitudes": -0.3, "st": 0.02}


def statistics(vocabulary, count=10, spread=5.0, known=10, **medians) -> Statistics:
    """Of one condition, whose neighbours have atrial fibrillation, and some left ventricular hypertrophy."""
    shares = np.zeros((1, len(vocabulary.codes)), np.float32)
    for code, share in {"AFIB": 1.0, "LVH": 0.4, "IMI": 0.05}.items():
        shares[0, vocabulary.codes.index(code)] = share
    median = np.full((1, VALUES), np.nan, np.float32)
    for name, value in {**USUAL, **WAVES, **medians}.items():
        median[0, SLICES[name]] = value
    counts = np.where(np.isnan(median), 0, known).astype(np.int32)
    return Statistics(np.array([count], np.int32), shares, median - spread, median, median + spread, counts)


def report(vocabulary, named=(), **changes) -> Report:
    (distilled,) = distil_offline(statistics(vocabulary, **changes), np.array([0.5]), [named], vocabulary)
    assert (distilled.distiller, distilled.fallback_reason) == ("offline", None)
    return distilled.report


def test_the_report_says_what_the_neighbours_have(vocabulary):
    told = report(vocabulary, ["IMI"])
    assert told.rhythm == "atrial fibrillation 100 %"
    assert told.findings == ("left ventricular hypertrophy 40 %",)
    assert told.heart_rate and (told.heart_rate.low, told.heart_rate.expected, told.heart_rate.high) == (77, 82, 87)
    assert told.pr is None, "no neighbour has it"
    assert [lead.lead for lead in told.morphology] == list(LEADS_TOLD)
    assert told.morphology[0].shape == "P upright, R 1.2 mV, S 0.5 mV, ST level, T inverted"
    assert told.cited == tuple(f"N{number}" for number in range(1, 11))
    assert told.confidence == 0.5
    assert told.text == (
        "Rhythm: atrial fibrillation 100 %. Further findings: left ventricular hypertrophy 40 %. Heart rate 82 bpm "
        "(77 to 87), QRS duration 95 ms (90 to 100), QT 380 ms (375 to 385), QTcF 420 ms (415 to 425). "
        + "; ".join(f"Lead {lead}: {told.morphology[0].shape}" for lead in ("II", "V1", "V5")).replace("; L", "; l")
        + ". From 10 similar records, weighed by likeness: inferior myocardial infarction."
    )
    assert {f.code for f in vocabulary.find(told.text)} == {"AFIB", "LVH", "IMI"}


def test_the_rhythm_that_is_asked_for_is_the_rhythm(vocabulary):
    told = report(vocabulary, ["SR"])
    assert told.rhythm == "sinus rhythm"
    assert told.findings == ("atrial fibrillation 100 %", "left ventricular hypertrophy 40 %")


@pytest.mark.parametrize("changes", [{"heart_rate": 301.0}, {"heart_rate": 22.0}, {"heart_rate": np.nan}, {"known": 2}])
def test_what_physiology_does_not_allow_or_few_have_is_null(vocabulary, changes):
    told = report(vocabulary, **changes)
    assert told.heart_rate is None and "Heart rate" not in told.text
    assert (told.qt is None) == ("known" in changes)


def test_nothing_known_is_said_so(vocabulary):
    nothing = report(vocabulary, count=0)
    assert (nothing.text, nothing.confidence, nothing.cited) == (NO_NEIGHBOUR, 0.0, ())
    unknown = report(vocabulary, **dict.fromkeys([*USUAL, *WAVES], np.nan))
    assert unknown.morphology == () and unknown.text.startswith("Rhythm: atrial fibrillation 100 %. Further")


def test_the_longest_text_is_allowed(vocabulary):
    longest = sorted(vocabulary.codes, key=lambda code: -len(vocabulary[code].name))
    full = statistics(vocabulary, pr=160)
    full.shares[:] = [[0.5 if code in longest[:20] else 0 for code in vocabulary.codes]]
    (distilled,) = distil_offline(full, np.ones(1), [longest[20:40]], vocabulary)
    assert 1000 < len(distilled.report.text) <= MAX_TEXT


def test_confidence_grows_with_number_similarity_and_agreement(vocabulary):
    queries = pl.DataFrame({"diagnoses": [["scp:LVH"]], "medications": [[]], "procedures": [["scp:SR"]]})
    weights = {"diagnoses": 0.5, "medications": 0.25, "procedures": 0.25}

    def sure(count: int, similarity: float, share: float) -> float:
        own = statistics(vocabulary, count=count)
        own.shares[:] = 0
        own.shares[0, :2] = share
        near = Neighbours(np.arange(count)[None], np.full((1, count), similarity))
        (value,) = confidences(near, np.ones((1, count), np.float32), own, queries, weights)
        return value

    assert sure(45, 0.75, 1.0) == 0.9, "as similar as this condition can be; its views weigh 0.75"
    assert sure(45, 0.75, 0.5) == 0.45, "two neighbours differ in one statement"
    assert sure(45, 0.375, 0.0) == 0.45
    assert sure(5, 0.75, 0.0) == 0.5
    assert confidences(
        Neighbours(np.full((1, 3), -1), np.zeros((1, 3))),
        np.zeros((1, 3), np.float32),
        statistics(vocabulary, count=0),
        queries,
        weights,
    ).tolist() == [0.0]
    few = Neighbours(np.arange(10)[None], np.array([[0.75] * 5 + [0.1] * 5]))
    own, light = statistics(vocabulary, count=10), np.array([[1] * 5 + [1e-6] * 5], np.float32)
    own.shares[:] = 0
    assert confidences(few, light, own, queries, weights).tolist() == [0.5], "as of the five that weigh something"
