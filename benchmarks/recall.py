"""Do similar patients share what a query leaves out? `python benchmarks/recall.py DATA [--bootstrap 1000]`.

DATA is the folder of a finished run on PTB-XL (its `corpus/`). From each test record one of its coded statements is
taken out, each in turn; the ten nearest training records are found by what remains; the question is whether they have
the statement that was taken out.

- share@10: how many of the ten have it.
- recall@10, any: whether at least one of the ten has it.
- recall@10, of all: how many of all training records that have it are among the ten, in thousandths.

Three ways to choose the ten: exact retrieval (τ over the three views), the ten nearest texts by hashed subwords (the
names of the statements that remain, against those of each training record), and chance (expected values, from how many
training records have the statement). The first two twice: "whole", against training records as they are, as at
generation time, where a record that has the statement besides is less similar for it than one that lacks it; and
"hidden", where the statement is taken out of the training records as well, so that only the others are compared.
Means over queries, and over statements with 20 queries or more, each statement counting once, for a statement that
nearly every record has is no achievement. 95 % intervals from a bootstrap over patients.
"""

import argparse
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import gammaln

from sediff.knowledge.embedding import embed
from sediff.knowledge.params import SimilarityWeights
from sediff.knowledge.profiles import VIEWS, build_profiles, training_profiles
from sediff.knowledge.retrieval import Retriever
from sediff.records import read_columns
from sediff.vocabulary import Vocabulary

K = 10
WEIGHTS = SimilarityWeights().model_dump()
FEWEST = 20  # queries, for a statement to have a mean of its own
BLOCK = 512


def queries_of(profiles: pl.DataFrame) -> pl.DataFrame:
    """One row a test record and statement: the profile without it, and the statement as `held_out`."""
    test = profiles.filter((pl.col("split") == "test") & (pl.col("statements").list.len() > 1))
    rows = test.with_columns(held_out=pl.col("statements")).explode("held_out").sort("held_out", "profile_id")
    return without(rows, pl.col("held_out"))


def without(profiles: pl.DataFrame, code: pl.Expr) -> pl.DataFrame:
    """Profiles without a statement, in their views and in `statements`."""
    item = pl.concat_list(pl.concat_str(pl.lit("scp:"), code))
    views = (pl.col(view).list.set_difference(item).list.sort() for view in VIEWS)
    return profiles.with_columns(
        *views, statements=pl.col("statements").list.set_difference(pl.concat_list(code)).list.sort()
    )


def has(training: pl.DataFrame, codes: Sequence[str]) -> NDArray[np.bool_]:
    """Which training record has which statement: (training, codes)."""
    statements = training["statements"]
    return np.stack([statements.list.contains(code).to_numpy() for code in codes], axis=1)


def nearest(queries: pl.DataFrame, training: pl.DataFrame, vocabulary: Vocabulary) -> dict[str, NDArray[np.int64]]:
    """Rows of the K nearest training records by τ and by the statements' names, equal ones by profile_id."""
    own = embed(_names(training, vocabulary))
    texts = _names(queries, vocabulary)
    blocks = (embed(texts[start : start + BLOCK]) @ own.T for start in range(0, len(texts), BLOCK))
    by_text = np.concatenate([np.argsort(-cosines, axis=1, kind="stable")[:, :K] for cosines in blocks])
    return {"exact, τ": Retriever(training).nearest(queries, WEIGHTS, K).rows, "texts' vectors": by_text}


def _names(profiles: pl.DataFrame, vocabulary: Vocabulary) -> list[str]:
    return [", ".join(vocabulary[code].name for code in codes) for codes in profiles["statements"]]


def measures(
    share: NDArray[np.float64], found_any: NDArray[np.float64], counts: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """What a table tells of each query, from its share@K, whether one of the K has it, and how many have it at all."""
    return {
        "share@10": share,
        "recall@10, any": found_any,
        "recall@10, of all, ‰": 1000 * K * share / np.maximum(counts, 1),
    }


def by_chance(counts: NDArray[np.int64], total: int) -> dict[str, NDArray[np.float64]]:
    """Expected measures of K records drawn without replacement, of statements that so many have."""
    rest = total - counts
    with np.errstate(invalid="ignore"):
        none = gammaln(rest + 1) - gammaln(rest - K + 1) + gammaln(total - K + 1) - gammaln(total + 1)
    return measures(counts / total, 1 - np.where(rest >= K, np.exp(none), 0.0), counts)


def interval(
    scores: NDArray[np.float64], statement: NDArray[np.int64], patient: NDArray[np.int64], draws: NDArray[np.int64]
) -> tuple[list[float], list[float]]:
    """Mean over queries and over statements, each with the bounds of its 95 % interval.

    Args:
        scores: (queries,); statement, patient: their numbers; draws: (bootstrap, patients) how often each is drawn.
    """
    statements = int(statement.max()) + 1
    frequent = np.bincount(statement) >= FEWEST
    micro, macro = [], []
    for times in (np.ones(draws.shape[1], np.int64), *draws):
        weight = times[patient].astype(np.float64)
        sums = np.bincount(statement, weight * scores, statements)
        totals = np.bincount(statement, weight, statements)
        micro.append(sums.sum() / totals.sum())
        there = frequent & (totals > 0)
        macro.append((sums[there] / totals[there]).mean())
    return _with_interval(micro), _with_interval(macro)


def _with_interval(values: list[float]) -> list[float]:
    """The first value, that of the records as they are, and the 95 % interval of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975]).tolist()
    return [float(values[0]), low, high]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder `data` of a run on PTB-XL")
    parser.add_argument("--bootstrap", type=int, default=1000)
    arguments = parser.parse_args()

    vocabulary = Vocabulary.load()
    profiles = build_profiles(read_columns(arguments.data / "corpus/records"), [], vocabulary)
    training, queries = training_profiles(profiles), queries_of(profiles)
    codes = sorted(queries["held_out"].unique())
    statement = np.array([codes.index(code) for code in queries["held_out"]])
    names, patient = np.unique(queries["patient_id"].to_numpy(), return_inverse=True)
    present = has(training, codes)

    found = {f"{name}, whole": rows for name, rows in nearest(queries, training, vocabulary).items()}
    hidden = [
        nearest(own, without(training, pl.lit(code)), vocabulary)
        for code, own in zip(codes, queries.partition_by("held_out", maintain_order=True), strict=True)
    ]
    found |= {f"{name}, hidden": np.concatenate([one[name] for one in hidden]) for name in hidden[0]}
    shared = {name: (present[rows, statement[:, None]] & (rows >= 0)) for name, rows in found.items()}
    counts = present.sum(0)[statement]
    scores = {name: measures(hits.mean(1), hits.any(1).astype(float), counts) for name, hits in shared.items()}
    scores["chance"] = by_chance(counts, len(training))

    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), arguments.bootstrap)
    frequent = int((np.bincount(statement) >= FEWEST).sum())
    print(
        f"{len(queries)} queries: {queries['record_id'].n_unique()} test records of {len(names)} patients, "
        f"{len(codes)} statements ({frequent} with {FEWEST} queries or more); {len(training)} training records\n"
    )
    of = functools.partial(interval, statement=statement, patient=patient, draws=draws)
    table("ten neighbours by", "", {name: {key: of(one) for key, one in own.items()} for name, own in scores.items()})
    differences = {
        f"{other.removesuffix(f', {mode}')}, {mode}": {
            key: of(one - scores[other][key]) for key, one in scores[f"exact, τ, {mode}"].items()
        }
        for mode in ("whole", "hidden")
        for other in (f"texts' vectors, {mode}", "chance")
    }
    table("exact minus", "+", differences)


def table(title: str, sign: str, rows: Mapping[str, Mapping[str, tuple[list[float], list[float]]]]) -> None:
    """Print means over queries and over statements, with their intervals."""
    keys = list(next(iter(rows.values())))
    head = [f"{key}, {over}" for over in ("queries", "statements") for key in keys]
    print(f"| {title} | {' | '.join(head)} |\n|{'---|' * (len(head) + 1)}")
    for name, row in rows.items():
        cells = (row[key][place] for place in (0, 1) for key in keys)
        told = (f"{mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})" for mean, low, high in cells)
        print(f"| {name} | {' | '.join(told)} |")
    print()


if __name__ == "__main__":
    main()
