"""Block retrieval against the plain loop over sets: `python benchmarks/retrieval.py [--profiles 400000]`.

Profiles are drawn: as many codes and drugs an admission as MIMIC-IV has on average (11 diagnoses, 45 prescriptions,
1.7 procedures, of which repetitions fall away), from as many groups of diseases, drugs and groups of procedures as its
tables know, with popularities after Zipf; two in three admissions are of a patient with several. The queries are
profiles from all over the table, in blocks; the loop, with frozensets, takes the first of them. Neighbours must be the
same ones in the same order with the same similarities to the last bit, or the script fails.

All pairs: every profile is a query like these, so the time of all is that of one, times their number.
"""

import argparse
import heapq
import resource
import time

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.params import SimilarityWeights
from sediff.knowledge.profiles import VIEWS
from sediff.knowledge.retrieval import OTHER_SEX, UNKNOWN_AGE, Neighbours, Retriever

K = 10
# View to rows an admission, how much their number varies, items there are, and Zipf's shift and exponent.
DRAWN = {
    "diagnoses": (11.0, 0.55, 330, 5.0, 1.0),
    "medications": (45.0, 0.7, 1500, 2.0, 1.1),
    "procedures": (1.7, 1.1, 180, 4.0, 1.0),
}


def draw_profiles(count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Profiles with the columns that retrieval reads, sorted by profile_id."""
    patients = rng.integers(0, max(1, count * 2 // 5), count)
    return pl.DataFrame(
        {
            "profile_id": [f"profile:{number:07d}" for number in range(count)],
            "patient_id": [f"patient:{number}" for number in patients],
            "age": rng.integers(18, 90, count).astype(np.float32),
            "sex": np.array(["male", "female"])[rng.integers(0, 2, count)],
            **{view: draw_sets(view, count, rng) for view in VIEWS},
        }
    )


def draw_sets(view: str, count: int, rng: np.random.Generator) -> pl.Series:
    """A view's items of as many profiles, sorted lists without repetition."""
    mean, spread, items, shift, exponent = DRAWN[view]
    sizes = rng.poisson(mean * np.exp(rng.normal(-(spread**2) / 2, spread, count)))
    sizes = sizes if view == "procedures" else np.maximum(sizes, 1)
    popularity = 1 / (np.arange(1, items + 1) + shift) ** exponent
    drawn = rng.choice(items, int(sizes.sum()), p=popularity / popularity.sum())
    rows = pl.DataFrame({"row": np.repeat(np.arange(count), sizes), "item": drawn})
    names = pl.Series([f"{view}:{number:04d}" for number in range(items)])
    lists = (
        rows.unique()
        .sort("row", "item")
        .select("row", item=names.gather(pl.Series(np.asarray(rows.unique().sort("row", "item")["item"]))))
        .group_by("row", maintain_order=True)
        .agg("item")
    )
    everyone = pl.DataFrame({"row": np.arange(count)}).join(lists, on="row", how="left", maintain_order="left")
    return everyone["item"].fill_null(pl.lit([], dtype=pl.List(pl.String))).rename(view)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared items over all items; 0 where there are none."""
    common = len(one & other)
    union = len(one) + len(other) - common
    return common / union if union else 0.0


class PlainLoop:
    """The definition, one pair at a time, over frozensets."""

    def __init__(self, training: pl.DataFrame, weights: dict[str, float]) -> None:
        self.sets = list(
            zip(*([frozenset(items) for items in training[view].to_list()] for view in VIEWS), strict=True)
        )
        self.weights = tuple(weights[view] for view in VIEWS)
        self.patients, self.sexes = training["patient_id"].to_list(), training["sex"].to_list()
        self.ages = training["age"].cast(pl.Float64).to_list()

    def nearest(self, query: int) -> list[tuple[float, float, int]]:
        """The K best of one profile: -τ, years apart, row."""
        one, two, three = self.sets[query]
        first, second, third = self.weights
        patient = self.patients[query]
        scored = []
        for row, (diagnoses, medications, procedures) in enumerate(self.sets):
            if self.patients[row] == patient:
                continue
            score = first * jaccard(one, diagnoses)
            score += second * jaccard(two, medications)
            score += third * jaccard(three, procedures)
            if score > 0:
                scored.append((-score, row))
        least = -heapq.nsmallest(K, scored)[-1][0]
        return heapq.nsmallest(K, ((score, self.years(query, row), row) for score, row in scored if -score >= least))

    def years(self, query: int, row: int) -> float:
        """How unlike two patients are, to order equal similarities."""
        one, other = self.ages[query], self.ages[row]
        years = UNKNOWN_AGE if one is None or other is None else abs(one - other)
        return years + OTHER_SEX * (self.sexes[query] != self.sexes[row])


def same(found: Neighbours, loop: list[list[tuple[float, float, int]]]) -> bool:
    """Whether rows and similarities are the loop's, to the last bit."""
    rows: NDArray[np.int64] = np.array([[row for _, _, row in one] for one in loop])
    scores = np.array([[-score for score, _, _ in one] for one in loop])
    return bool((found.rows[: len(loop)] == rows).all() and (found.similarities[: len(loop)] == scores).all())


def main() -> None:
    """Print admissions a second of both, their ratio and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=400_000)
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--loop", type=int, default=10, help="queries of the plain loop")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    profiles = draw_profiles(arguments.profiles, np.random.default_rng(arguments.seed))
    sizes = {view: float(np.mean(profiles[view].list.len().to_numpy())) for view in VIEWS}
    print(f"{len(profiles)} profiles, items in the mean: " + ", ".join(f"{view} {sizes[view]:.1f}" for view in VIEWS))
    weights = SimilarityWeights().model_dump()
    step = max(1, len(profiles) // arguments.queries)
    asked = np.arange(0, len(profiles), step)[: arguments.queries]

    started = time.perf_counter()
    retriever = Retriever(profiles)
    built = time.perf_counter() - started
    started = time.perf_counter()
    found = retriever.nearest(profiles[asked.tolist()], weights, K)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    rate = len(asked) / seconds
    print(f"blocks: matrices made in {built:.1f} s; {len(asked)} queries in {seconds:.1f} s, {rate:.0f} admissions/s")
    print(f"peak memory of the process until here, its {len(profiles)} profiles as lists included: {peak:.2f} GB")
    print(f"all {len(profiles)} against all, at this rate: {len(profiles) / rate / 60:.0f} minutes")

    loop = PlainLoop(profiles, weights)
    started = time.perf_counter()
    plain = [loop.nearest(int(query)) for query in asked[: arguments.loop]]
    seconds = time.perf_counter() - started
    print(f"sets: {len(plain)} queries in {seconds:.1f} s, {len(plain) / seconds:.3f} admissions/s")
    print(f"ratio {rate * seconds / len(plain):.0f}, neighbours and similarities equal: {same(found, plain)}")
    if not same(found, plain):
        raise SystemExit("the neighbours differ")


if __name__ == "__main__":
    main()
