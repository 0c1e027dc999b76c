"""Retrieval among ECGs whose places are known."""

import numpy as np
import polars as pl
import pytest
import torch

from sediff.encoder.text_ecg import TextJudge
from sediff.evaluation.text_retrieval import FEW_TEXTS, places_of, retrieval, retrieved, wordings

SETS = np.repeat(np.arange(20), 3)  # three records have each set of statements
STATEMENTS = [[f"S{number:02d}"] for number in SETS]
TEXTS = [f"text {number}" for number in SETS]
PLACES = np.eye(20)[SETS]
PATIENTS = np.arange(60)


def test_a_text_finds_a_record_of_an_equal_set_and_no_other():
    assert retrieved(TEXTS, PLACES, PLACES, SETS)["hits_at_1"] == 1
    wrong = retrieved(TEXTS, PLACES, np.roll(PLACES, 3, axis=0), SETS)
    assert wrong["hits_at_1"] == 0, "each text is nearest to an ECG of another set"


def test_what_one_ecg_near_to_all_texts_takes_is_given_back():
    """An ECG that is nearer to every text than their own is no text's own: p(text | ECG) says so, a cosine does not."""
    ecgs = PLACES.copy()
    ecgs[0] = 2
    assert (PLACES @ ecgs.T)[3:].argmax(1).tolist() == [0] * 57
    assert retrieved(TEXTS, PLACES, ecgs, SETS)["hits_at_1"] == 1


def test_intervals_are_over_distinct_texts_however_many_records_have_one():
    """Half of 40 texts hit: their share's interval is a binomial's of 40, and asking each twenty times is no news."""
    places, ecgs = np.eye(40), np.eye(40)
    ecgs[20:] = np.roll(ecgs[20:], 1, axis=0)  # these find each other's
    found = []
    for times in (1, 20):
        sets = np.repeat(np.arange(40), times)
        texts = [f"text {number}" for number in sets]
        found.append(retrieved(texts, places[sets], ecgs[sets], sets))
    once, often = found
    assert once["hits_at_1"] == often["hits_at_1"] == 0.5
    assert once["hits_at_1_interval"] == often["hits_at_1_interval"]
    width = often["hits_at_1_interval"]["high"] - often["hits_at_1_interval"]["low"]
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.2)


def test_of_few_distinct_texts_there_is_no_interval_and_that_is_said():
    few = SETS < 19
    found = retrieved([TEXTS[row] for row in np.flatnonzero(few)], PLACES[few], PLACES[few], SETS[few])
    assert found["hits_at_1"] == 1
    assert found["left_out"] == dict.fromkeys(("hits_at_1_interval", "hits_at_10_interval"), FEW_TEXTS)
    assert "hits_at_1_interval" not in found


def test_each_set_stands_beside_the_others_and_the_baseline():
    noise = np.random.default_rng(0).normal(size=PLACES.shape)
    found = retrieval(TEXTS, PLACES, {"synthetic": noise, "real": PLACES}, STATEMENTS, PATIENTS)
    assert found["records"] == 60
    assert found["real"]["hits_at_1"] == 1
    assert found["synthetic"]["hits_at_1_interval"]["high"] < 0.5
    assert found["frequency_baseline"]["hits_at_1"] == pytest.approx(1 / 20)
    assert found["frequency_baseline"]["hits_at_10"] == pytest.approx(10 / 20)


@pytest.fixture
def judge() -> TextJudge:
    torch.manual_seed(0)
    return TextJudge(("NORM", "CLBBB", "AFIB", "LVH"), 8, 16, 256).eval()


@pytest.fixture
def rows(vocabulary) -> pl.DataFrame:
    """Four sets of statements, the composed text of each, and reports that say another record's statements."""
    sets = [["NORM"], ["CLBBB"], ["AFIB"], ["LVH"]] * 10
    composed = [vocabulary.describe(codes) for codes in sets]
    return pl.DataFrame(
        {
            "statements": sets,
            "report": composed,
            "original_report": [composed[row - 1] for row in range(40)],
            "patient_id": [f"p{row}" for row in range(40)],
        }
    )


def test_each_wording_looks_for_the_real_records(judge, rows, vocabulary):
    """ECGs that lie where the composed texts do: those find theirs, a report of something else finds something else."""
    ecgs = places_of(judge, rows["report"].to_list(), vocabulary)
    found = wordings(judge, rows, ecgs, vocabulary, 20)
    assert found["report"]["hits_at_1"] == 1
    assert found["original_report"]["hits_at_1"] == 0
    assert found["frequency_baseline"]["hits_at_1"] == 0.25
    assert found["records"] == 40
    of_names = places_of(judge, [vocabulary[codes[0]].name for codes in rows["statements"]], vocabulary)
    assert wordings(judge, rows, of_names, vocabulary, 20)["statement_names"]["hits_at_1"] == 1


def test_without_reports_of_the_source_the_other_wordings_remain_and_that_is_said(judge, rows, vocabulary):
    ecgs = places_of(judge, rows["report"].to_list(), vocabulary)
    found = wordings(judge, rows.with_columns(original_report=pl.lit("")), ecgs, vocabulary, 20)
    assert "original_report" not in found
    assert found["left_out"]["original_report"].startswith("fewer than evaluation.min_records = 20")
    assert found["report"]["hits_at_1"] == 1


def test_wordings_are_compared_on_the_records_that_have_a_report(judge, rows, vocabulary):
    some = rows.with_columns(
        original_report=pl.Series([text if row < 24 else "" for row, text in enumerate(rows["report"])])
    )
    ecgs = places_of(judge, rows["report"].to_list(), vocabulary)
    found = wordings(judge, some, ecgs, vocabulary, 20)
    assert found["records"] == 24
    assert found["original_report"] == found["report"]
