import random
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sediff.knowledge.profiles import VIEWS
from sediff.knowledge.retrieval import OTHER_SEX, UNKNOWN_AGE, Neighbours, Retriever

WEIGHTS = {"diagnoses": 0.5, "medications": 0.3, "procedures": 0.2}
ITEMS = {"diagnoses": 40, "medications": 30, "procedures": 6}


def profiles(count: int, seed: int, items: dict[str, int] = ITEMS) -> pl.DataFrame:
    rng = random.Random(seed)
    rows = [
        {
            "profile_id": f"profile:{number:06d}",
            "patient_id": f"p{number // 2}",
            "age": rng.choice([None, 40.0, 55.0, 70.5]),
            "sex": rng.choice([None, "male", "female"]),
            **{
                view: sorted({f"{view}{min(int(rng.expovariate(0.3)), size)}" for _ in range(rng.randint(0, 3))})
                for view, size in items.items()
            },
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema_overrides={view: pl.List(pl.String) for view in VIEWS})


def jaccard(one: list[str], other: list[str]) -> float:
    union = set(one) | set(other)
    return len(set(one) & set(other)) / len(union) if union else 0.0


def plain_loop(query: dict, training: list[dict], k: int, weights: dict[str, float]) -> list[tuple[int, float]]:
    """The definition, one pair at a time."""
    scored = []
    for row, other in enumerate(training):
        if other["patient_id"] == query["patient_id"]:
            continue
        score = 0.0
        for view in VIEWS:
            score += weights[view] * jaccard(query[view], other[view])
        known = query["age"] is not None and other["age"] is not None
        years = abs(query["age"] - other["age"]) if known else UNKNOWN_AGE
        years += OTHER_SEX if query["sex"] and other["sex"] and query["sex"] != other["sex"] else 0
        if score > 0:
            scored.append((-score, years, row))
    return [(row, -score) for score, _, row in sorted(scored)[:k]]


def test_the_result_equals_the_plain_loop():
    everyone = profiles(300, 1)
    training = everyone[:220]
    found = Retriever(training).nearest(everyone, WEIGHTS, 7)
    others = list(training.iter_rows(named=True))
    for row, query in enumerate(everyone.iter_rows(named=True)):
        expected = plain_loop(query, others, 7, WEIGHTS)
        there = found.rows[row] >= 0
        assert list(found.rows[row][there]) == [index for index, _ in expected]
        assert list(found.similarities[row][there]) == [score for _, score in expected]


ITEM = st.sampled_from([f"item{number}" for number in range(6)])
PROFILE = st.fixed_dictionaries(
    {
        "patient_id": st.sampled_from(["p1", "p2", "p3", "p4"]),
        "age": st.sampled_from([None, 40.0, 40.1, 55.0, 70.5]),
        "sex": st.sampled_from([None, "male", "female"]),
        **{view: st.frozensets(ITEM).map(sorted) for view in VIEWS},
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    training=st.lists(PROFILE, min_size=1, max_size=24),
    queries=st.lists(PROFILE, min_size=1, max_size=6),
    weights=st.tuples(*[st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.7])] * 3),
    k=st.integers(1, 5),
    chunk=st.integers(1, 30),
    group=st.integers(1, 5),
    frequent=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_any_profiles_give_what_the_definition_gives(
    monkeypatch, training, queries, weights, k, chunk, group, frequent
):
    """Ties, the same patient, empty views, weights of 0, whatever the blocks: rows and similarities to the last bit."""
    monkeypatch.setattr("sediff.knowledge.retrieval.QUERIES_PER_BLOCK", 4)
    monkeypatch.setattr("sediff.knowledge.retrieval.ROWS_PER_CHUNK", chunk)
    monkeypatch.setattr("sediff.knowledge.retrieval.GROUP", group)
    monkeypatch.setattr("sediff.knowledge.views.ROWS_PER_CHUNK", chunk)
    monkeypatch.setattr("sediff.knowledge.views.FREQUENT", frequent)
    named = dict(zip(VIEWS, weights, strict=True))
    schema = {"age": pl.Float64, "sex": pl.String} | {view: pl.List(pl.String) for view in VIEWS}
    tables = [pl.DataFrame(rows, schema_overrides=schema) for rows in (training, queries)]
    found = Retriever(tables[0]).nearest(tables[1], named, k)
    for row, query in enumerate(queries):
        expected = plain_loop(query, training, k, named)
        there = found.rows[row] >= 0
        assert list(found.rows[row][there]) == [index for index, _ in expected]
        assert list(found.similarities[row][there]) == [score for _, score in expected]


def test_a_set_of_hundreds_of_items_is_counted_right():
    many = [f"item{number:03d}" for number in range(300)]
    schema = {view: pl.List(pl.String) for view in VIEWS}
    rows = {"patient_id": ["p1", "p2"], "age": [50.0, 50.0], "sex": ["male", "male"]}
    both = pl.DataFrame(rows | {view: [many, many[:280]] for view in VIEWS}, schema_overrides=schema)
    found = Retriever(both).nearest(both[:1], WEIGHTS, 1)
    assert found.similarities[0, 0] == sum(weight * (280 / 300) for weight in WEIGHTS.values())


def test_blocks_make_no_difference(monkeypatch):
    everyone = profiles(120, 2)
    whole = Retriever(everyone).nearest(everyone, WEIGHTS, 5)
    monkeypatch.setattr("sediff.knowledge.retrieval.QUERIES_PER_BLOCK", 7)
    blocks = Retriever(everyone).nearest(everyone, WEIGHTS, 5)
    assert np.array_equal(whole.rows, blocks.rows)
    assert np.array_equal(whole.similarities, blocks.similarities)


def test_fewer_profiles_than_asked_for():
    few = profiles(3, 4).with_columns(pl.lit(["same"]).alias("diagnoses"), patient_id=pl.col("profile_id"))
    found = Retriever(few).nearest(few, WEIGHTS, 5)
    assert ((found.rows >= 0).sum(1) == 2).all()
    assert (found.similarities[:, 2:] == 0).all()


def test_nothing_in_common_is_no_neighbour():
    few = profiles(4, 5).with_columns(*(pl.Series(view, [[]] * 4, dtype=pl.List(pl.String)) for view in VIEWS))
    assert (Retriever(few).nearest(few, WEIGHTS, 3).rows == -1).all()


@pytest.mark.slow
def test_ptb_xl_sized_retrieval_takes_less_than_a_minute():
    everyone = profiles(20000, 6)
    started = time.process_time()
    Retriever(everyone[:14000]).nearest(everyone, WEIGHTS, 10)
    assert time.process_time() - started < 60


def test_ten_count_and_of_more_those_near_the_best():
    few, many = [1.0] * 3 + [0.2] * 9, [1.0] * 11 + [0.6]
    found = Neighbours(np.arange(24).reshape(2, 12), np.array([few, many]))
    near = found.near(0.7)
    assert near.rows.tolist() == [[*range(10), -1, -1], [*range(12, 23), -1]]
    assert near.similarities.tolist() == [[*few[:10], 0, 0], [*many[:11], 0]]
    assert found.near(0.5).rows[1].tolist() == found.rows[1].tolist()
    nobody = Neighbours(np.full((1, 12), -1), np.zeros((1, 12)))
    assert (nobody.near(0.7).rows == -1).all()
