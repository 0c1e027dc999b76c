import random
import time

import numpy as np
import polars as pl
import pytest

from sediff.knowledge.profiles import VIEWS
from sediff.knowledge.retrieval import OTHER_SEX, UNKNOWN_AGE, Retriever

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


def plain_loop(query: dict, training: list[dict], k: int) -> list[tuple[int, float]]:
    """The definition, one pair at a time."""
    scored = []
    for row, other in enumerate(training):
        if other["patient_id"] == query["patient_id"]:
            continue
        score = 0.0
        for view in VIEWS:
            score += WEIGHTS[view] * jaccard(query[view], other[view])
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
        expected = plain_loop(query, others, 7)
        there = found.rows[row] >= 0
        assert list(found.rows[row][there]) == [index for index, _ in expected]
        assert list(found.similarities[row][there]) == [score for _, score in expected]


def test_blocks_make_no_difference(monkeypatch):
    everyone = profiles(120, 2)
    whole = Retriever(everyone).nearest(everyone, WEIGHTS, 5)
    monkeypatch.setattr("sediff.knowledge.retrieval.CELLS_PER_BLOCK", 1000)
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
