import numpy as np
import polars as pl
import pytest

from sediff.knowledge.distill import LEADS_TOLD, NO_NEIGHBOUR, confidences, distil_offline
from sediff.knowledge.measures import SLICES, VALUES, Statistics
from sediff.knowledge.report import MAX_TEXT, Report
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.rhythms import OPEN

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


def report(vocabulary, named=(), uncertain=(), shares=None, **changes) -> Report:
    own = statistics(vocabulary, **changes)
    if shares is not None:
        own.shares[:] = 0
        for code, share in shares.items():
            own.shares[0, vocabulary.codes.index(code)] = share
    (distilled,) = distil_offline(own, np.array([0.5]), [named], vocabulary, (), uncertain)
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
        "(77 to 87, of 10), QRS duration 95 ms (90 to 100, of 10), QT 380 ms (375 to 385, of 10), "
        "QTcF 420 ms (415 to 425, of 10). "
        + "; ".join(f"Lead {lead}: {told.morphology[0].shape}" for lead in ("II", "V1", "V5")).replace("; L", "; l")
        + ". From 10 similar records, weighed by likeness: inferior myocardial infarction."
    )
    assert {f.code for f in vocabulary.find(told.text)} == {"AFIB", "LVH", "IMI"}


def test_the_rhythm_that_is_asked_for_is_the_rhythm(vocabulary):
    told = report(vocabulary, ["SR"])
    assert told.rhythm == "sinus rhythm"
    assert told.findings == ("left ventricular hypertrophy 40 %",), "no heart has two basic rhythms at a time"


@pytest.mark.parametrize("changes", [{"heart_rate": 301.0}, {"heart_rate": 22.0}, {"heart_rate": np.nan}])
def test_what_physiology_does_not_allow_or_is_not_known_is_null(vocabulary, changes):
    told = report(vocabulary, **changes)
    assert told.heart_rate is None and "Heart rate" not in told.text
    assert told.qt is not None


SHARES = {"SR": 0.6, "AFIB": 0.3, "1AVB": 0.25, "PACE": 0.2, "BIGU": 0.15, "LVH": 0.12}


@pytest.mark.parametrize(
    ("named", "uncertain", "rhythm", "findings"),
    [
        (["CLBBB"], (), "sinus rhythm 60 % or atrial fibrillation 30 % or artificial pacemaker rhythm 20 %",
         {"1AVB", "BIGU", "LVH"}),
        (["AFIB", "CLBBB"], (), "atrial fibrillation", {"PACE", "BIGU", "LVH"}),
        (["STACH"], (), "sinus tachycardia", {"1AVB", "PACE", "BIGU", "LVH"}),
        (["3AVB"], (), "third degree AV block, with sinus rhythm 60 % or atrial fibrillation 30 % or "
         "artificial pacemaker rhythm 20 %", {"1AVB", "BIGU", "LVH"}),
        (["3AVB", "AFIB"], (), "third degree AV block and atrial fibrillation", {"PACE", "BIGU", "LVH"}),
        (["BIGU", "TRIGU"], (), "bigeminal pattern and trigeminal pattern, with sinus rhythm 60 % or atrial "
         "fibrillation 30 % or artificial pacemaker rhythm 20 %", {"1AVB", "LVH"}),
        (["AFIB"], ("AFIB",), "possible atrial fibrillation, with sinus rhythm 60 % or artificial pacemaker rhythm "
         "20 %", {"1AVB", "BIGU", "LVH"}),
    ],
)  # fmt: skip
def test_the_rhythm_contradicts_neither_what_is_stated_nor_the_findings(vocabulary, named, uncertain, rhythm, findings):
    told = report(vocabulary, named, uncertain, {code: share for code, share in SHARES.items() if code not in named})
    assert told.rhythm == rhythm
    assert {finding.rsplit(" ", 2)[0] for finding in told.findings} == {vocabulary[code].name for code in findings}


def test_a_rhythm_that_no_tenth_of_the_neighbours_has_is_in_doubt(vocabulary):
    told = report(vocabulary, ["LVH"], shares={"SR": 0.09, "AFIB": 0.05})
    assert told.rhythm == OPEN and told.text.startswith(f"Rhythm: {OPEN}. Heart rate")


@pytest.mark.parametrize(
    ("named", "uncertain", "pr", "p_waves"),
    [
        (["SR"], (), True, True),
        (["AFIB", "CLBBB"], (), False, False),
        (["AFLT"], (), False, False),
        (["3AVB"], (), False, True),
        (["AFIB"], ("AFIB",), True, True),
    ],
)
def test_there_is_no_pr_without_p_waves_that_lead(vocabulary, named, uncertain, pr, p_waves):
    told = report(vocabulary, named, uncertain, pr=160.0)
    assert (told.pr is not None) == pr == ("PR 160 ms (155 to 165, of 10)" in told.text)
    assert all(("P upright" in lead.shape) == p_waves for lead in told.morphology)


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
