"""What was asked of the synthesis and what it made."""

from sediff.report.asked import synthesis_tables
from sediff.report.public import public

GATE = {"tries": 3, "heart_rate_bpm": 5.0}
PARTS = [
    {"age": 71, "heart_rate": 110, "records": 1600, "sex": "female", "text": "atrial fibrillation"},
    {"statements": ["SR", "CLBBB"], "age": {"mean": 60, "sd": 10, "low": None}, "sex": {"male": 0.4}, "records": 20},
    {"like": "corpus", "records": 5},
    {"fill": {"WPW": 1500, "up_to": 100}},
]
MANIFESTS = [
    {"stage": "corpus", "parameters": {}},
    {"stage": "synthesis@evaluation", "parameters": {"synthesis.evaluation": {"records": 400}}},
    {"stage": "synthesis@dataset", "parameters": {"synthesis.dataset": PARTS, "synthesis.gate": GATE}},
]
METRICS = {
    "synthesis/evaluation": {"records": 390, "statements": {"SR": 300}},
    "synthesis/dataset": {
        "records": 1700,
        "statements": {"AFIB": 1600, "SR": 25},
        "gate": {"tries": {"0": 1590, "10": 20, "2": 30, "1": 60}, "misses": {"heart_rate": 12, "pr": 3}},
    },
}


def tables(metrics: dict) -> dict:
    return {table.title: table.rows for table in synthesis_tables(metrics, MANIFESTS)}


def test_every_kind_of_request_is_told_in_words():
    assert tables(METRICS)["Asked"] == (
        ("evaluation", "conditions of held-out records", "400"),
        ("dataset", "atrial fibrillation; age 71 years; heart rate 110 bpm; sex female", "1,600"),
        (
            "dataset",
            "statements SR (sinus rhythm), CLBBB (complete left bundle branch block); "
            "age drawn from mean 60, sd 10 years; sex drawn from male 0.4",
            "20",
        ),
        ("dataset", "conditions like those of the corpus", "5"),
        ("dataset", "filled up to: WPW (Wolff-Parkinson-White syndrome) 1,500, up_to 100", "–"),
    )


def test_what_the_gate_made_again_is_told_by_tries():
    assert tables(METRICS)["Made"] == (
        ("evaluation", "390", "–", "–", "–"),
        ("dataset", "1,700", "3", "60 (1 more try), 30 (2 more tries), 20 (10 more tries)", "heart rate 12, pr 3"),
    )
    clean = {"synthesis/dataset": METRICS["synthesis/dataset"] | {"gate": {"tries": {"0": 1700}, "misses": {}}}}
    assert tables(clean)["Made"] == (("dataset", "1,700", "3", "none", "nothing"),)


def test_a_gate_that_is_off_allows_no_tries():
    off = [{"stage": "synthesis@dataset", "parameters": {"synthesis.gate": {"tries": 0}}}]
    (made, _) = synthesis_tables({"synthesis/dataset": {"records": 48, "statements": {"SR": 48}}}, off)
    assert made.rows == (("dataset", "48", "0", "–", "–"),)


def test_statements_stand_beside_each_other():
    assert tables(METRICS)["Statements asked for"] == (
        ("AFIB (atrial fibrillation)", "0", "1,600"),
        ("SR (sinus rhythm)", "300", "25"),
    )


def test_what_has_not_run_has_no_row():
    assert synthesis_tables({}, MANIFESTS) == []


def test_small_counts_stay_hidden():
    (_, dataset) = tables(public(METRICS))["Made"]
    assert dataset[4].endswith("pr fewer than 10")
