from collections import Counter

import numpy as np
import polars as pl
import pytest

from sediff.errors import UserError
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.draws import InRounds, LikeCorpus, fill_up
from sediff.synthesis.plan import Plan, Planner
from sediff.synthesis.read import Request, read_request
from sediff.synthesis.schema import PARTS
from tests.synthesis.conftest import STATEMENTS


@pytest.fixture(scope="module")
def planner(models, vocabulary) -> Planner:
    return Planner(models, vocabulary, Pseudonyms(), 0)


def plan(planner, *parts) -> Plan:
    return planner.request(PARTS.validate_python(list(parts)))


def asked(plan: Plan, start: int = 0, stop: int | None = None) -> list[tuple]:
    """What is compared of rows; experiences have arrays."""
    return [
        (c.text, c.age, c.sex, c.heart_rate, c.axis, row.statements, row.matched_record_id, c.experience.experience_id)
        for row in plan.rows(start, len(plan) if stop is None else stop)
        for c in [row.condition]
    ]


DRAWN = {
    "statements": {"SR CLBBB": 1, "NORM": 3},
    "age": {"mean": 60, "sd": 15, "high": 80},
    "sex": {"female": 0.25},
    "heart_rate": {"low": 50, "high": 100},
    "axis": 30,
}
LIKE = {"like": "corpus"}


@pytest.mark.parametrize("part", [DRAWN, LIKE, {"text": "AF"}])
def test_a_record_is_the_same_in_a_larger_request_and_whoever_asks_for_it(planner, part):
    small, large = (plan(planner, {**part, "records": records}) for records in (30, 200))
    rows = asked(large)
    assert asked(small) == rows[:30]
    assert asked(large, 17, 19) + asked(large, 19, 50) == rows[17:50]


def test_parts_follow_each_other(planner):
    whole = plan(planner, {"text": "AF", "records": 3}, {**DRAWN, "records": 4}, {**LIKE, "records": 5})
    rows = asked(whole)
    assert len(whole) == len(rows) == 12
    assert [row[0] for row in rows[:3]] == ["AF"] * 3
    assert asked(whole, 2, 8) == rows[2:8]
    assert [bool(row[6]) for row in rows] == [False] * 7 + [True] * 5


def test_a_distribution_is_drawn_as_it_says(planner):
    rows = asked(plan(planner, {**DRAWN, "records": 400}))
    share = Counter(row[5] for row in rows)
    assert share[("NORM",)] / 400 == pytest.approx(0.75, abs=0.07)
    assert set(share) == {("NORM",), ("CLBBB", "SR")}
    assert np.mean([row[2] == "female" for row in rows]) == pytest.approx(0.25, abs=0.07)
    ages, rates = np.array([[row[1], row[3]] for row in rows]).T
    assert ages.max() <= 80 and (ages == ages.round()).all() and 52 < ages.mean() < 62
    assert 50 <= rates.min() < 53 and 97 < rates.max() <= 100
    assert {row[4] for row in rows} == {30}


def test_another_seed_draws_others(models, vocabulary, planner):
    other = Planner(models, vocabulary, Pseudonyms(), 1)
    for part in (DRAWN, LIKE):
        assert asked(plan(planner, {**part, "records": 40})) != asked(plan(other, {**part, "records": 40}))


def test_like_the_corpus_keeps_the_rare_and_the_joint_distribution(planner):
    sets = {tuple(codes) for codes in STATEMENTS}
    rows = plan(planner, {**LIKE, "records": 4 * len(sets)}).rows(0, 4 * len(sets))
    assert {row.statements for row in rows} == sets
    rows = plan(planner, {**LIKE, "records": 400}).rows(0, 400)
    for codes, count in Counter(map(tuple, STATEMENTS)).items():
        made = sum(row.statements == codes for row in rows)
        assert made / 400 == pytest.approx(count / len(STATEMENTS), abs=0.02)
    assert all(row.matched_record_id != "cohort/00041" for row in rows), "training records only"
    by_record = {row.matched_record_id: row.condition for row in rows}
    assert by_record["cohort/00003"].age == 43 and by_record["cohort/00003"].heart_rate == 63


def test_classes_are_filled_with_what_the_corpus_has_counted(planner):
    whole = plan(planner, {"fill": {"CLBBB": 12, "STACH": 2, "up_to": 10}})
    made = Counter(code for row in whole.rows(0, len(whole)) for code in row.statements)
    have = Counter(code for codes in STATEMENTS for code in codes)
    assert have["CLBBB"] + made["CLBBB"] == 12
    assert made["STACH"] == 2, "which no training record has"
    assert all(have[code] + made[code] >= 10 for code in have)
    assert made["NORM"] == 0
    with pytest.raises(UserError, match="asks for no record"):
        plan(planner, {"fill": {"NORM": 3}})


def test_a_table_gives_its_rows_in_order_and_as_often_as_they_say(planner, vocabulary, tmp_path):
    path = tmp_path / "request.parquet"
    table = pl.DataFrame({"text": ["AF", "", "LBBB"], "statements": [None, "SR", None], "records": [2, None, 3]})
    table.write_parquet(path)
    whole = read_request(path, vocabulary).plan(planner)
    texts = [row.condition.text for row in whole.rows(0, len(whole))]
    assert texts == ["AF", "AF", "Sinus rhythm.", "LBBB", "LBBB", "LBBB"]
    assert [row.condition.text for row in whole.rows(1, 4)] == texts[1:4]
    table.drop("records").write_parquet(path)
    assert len(read_request(path, vocabulary).plan(planner)) == 3


def test_a_rate_beside_the_text_wins_and_changes_no_experience(planner):
    plain, fast = plan(planner, {"text": "AF, 120 bpm"}, {"text": "AF, 120 bpm", "heart_rate": 90}).rows(0, 2)
    assert (plain.condition.heart_rate, fast.condition.heart_rate) == (120, 90)
    assert plain.condition.experience is fast.condition.experience


def test_a_million_rows_are_never_held(planner):
    """The plan of a million records is made at once, and any of them is there when it is needed."""
    whole = plan(planner, {**LIKE, "records": 500_000}, {**DRAWN, "records": 500_000})
    assert len(whole) == 1_000_000
    assert len(whole.rows(499_990, 500_010)) == 20


def test_what_is_unknown_in_the_parameters_is_named(vocabulary):
    parts = PARTS.validate_python([{"statements": ["XYZ"]}])
    with pytest.raises(UserError, match=r"params\.yaml: synthesis\.dataset: row 1, statements: XYZ"):
        Request.of(parts, vocabulary, "params.yaml: synthesis.dataset")


def test_rounds_take_each_row_once_before_any_twice():
    draw = InRounds([5, 6, 7], 0)
    rows = [draw(position) for position in range(300)]
    assert all(sorted(rows[start : start + 3]) == [5, 6, 7] for start in range(0, 300, 3))
    assert len({tuple(rows[start : start + 3]) for start in range(0, 300, 3)}) == 6


def test_every_set_has_come_after_four_times_as_many_records():
    sets = np.array([0] * 1000 + list(range(1, 50)))
    draw = LikeCorpus(sets, 0)
    assert {int(sets[draw(position)]) for position in range(200)} == set(range(50))
    later = [int(sets[draw(position)]) for position in range(200, 200 + 5 * len(sets))]
    assert later.count(0) / len(later) == pytest.approx(1000 / len(sets), abs=0.01)


def test_what_is_made_for_one_class_counts_for_all():
    labels = np.array([[True, True, False]] * 4 + [[True, False, False]] * 6)
    classes, rows = fill_up(labels, {0: 20, 1: 15, 2: 3}, 0)
    assert classes.tolist() == [2, 2, 2] + [1] * 11, "the 11 are of class 0 too, which the last one completes"
    assert rows[:3].tolist() == [-1, -1, -1], "no real record is of class 2"
    assert set(rows[3:7].tolist()) == set(rows[7:11].tolist()) == {0, 1, 2, 3}


def test_more_of_every_class_begins_with_the_same_records():
    rng = np.random.default_rng(0)
    labels = rng.random((300, 8)) < np.geomspace(0.01, 0.6, 8)
    for least, most in ((100, 101), (100, 200), (20, 500)):
        small, large = (np.column_stack(fill_up(labels, dict.fromkeys(range(8), of), 3)) for of in (least, most))
        assert len(small) < len(large)
        assert np.array_equal(large[: len(small)], small)
        made = labels.sum(0) + labels[large[:, 1]].sum(0)
        assert made.min() == most


def test_a_fill_that_cannot_be_drawn_in_memory_is_refused(planner):
    with pytest.raises(UserError, match=r"fill asks for [\d,]+ records: ask for at most 10,000,000 by it"):
        plan(planner, {"fill": {"up_to": 10**9}})
