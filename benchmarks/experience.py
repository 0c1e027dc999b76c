"""What experience is for: `python benchmarks/experience.py DATA [--split test] [--neighbours 150]`.

DATA is the folder `data` of a clone whose corpus stage has run. Held-out patients' records are asked for by their
diagnostic statements, age and sex; rhythm, form and all that is measured is withheld, and foretold by

- nothing: the prevalence of each statement and the median of each measure, in all training records;
- experience: shares and medians of the most similar training records of other patients, retrieved with that query;
- shuffled: the experience of another such query;
- class mean: shares and medians of all training records with the same set of diagnostic statements, or, where no
  training record has it, with the rarest of them.

A share becomes a probability by so many records' worth of prevalence as fits each predictor best on the validation
patients. With the full prompts, in which no statement is left to foretell, no gain is expected but in what they do not
state. Differences are experience minus the other, with 95 % bootstrap intervals over patients. What there is to know is
what gradient-boosted trees foretell, trained on all training records for the absolute error of each single number from
the same statements, age and sex. Run it in the repository, whose `knowledge/` it reads.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from sediff.knowledge import weights
from sediff.knowledge.measures import MEASURED, SCALARS, SLICES, VOLTAGES
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.profiles import VIEWS, build_profiles, statement_views, training_profiles
from sediff.knowledge.retrieval import Neighbours, Retriever, heart_rates
from sediff.knowledge.statistics import deviation, measurements, overall, statement_matrix, summarise
from sediff.records import read_columns
from sediff.vocabulary import Vocabulary

MIN_CASES = 20
PRIORS = (0.5, 1, 2, 5, 10, 20, 50)  # records' worth of prevalence
UNITS = {"heart_rate": "bpm", "axis": "°", **dict.fromkeys(VOLTAGES, "mV")}
NOTHING, EXPERIENCE, SHUFFLED, CLASS = "nothing", "experience", "shuffled", "class mean"
NO_RATE = "no rate stated"
TREES = "trees"
ON_A_LINE = tuple(name for name in SCALARS if name != "axis")
Array = NDArray[np.floating]


class Foretold(NamedTuple):
    """Of n queries: shares (n, statements) among so many records (n,), and medians (n, measured)."""

    shares: Array
    counts: Array
    medians: Array


class Asked(NamedTuple):
    """Queries, what is true of them, and what each predictor says."""

    patients: list[str]
    withheld: Array  # (n, statements), 1 where a record has a statement that its query does not name
    measured: Array  # (n, measured)
    foretold: dict[str, Foretold]


class Training:
    """What the training patients teach in one way of asking."""

    def __init__(
        self, profiles: pl.DataFrame, named: Sequence[Sequence[str]], vocabulary: Vocabulary, closeness: float
    ) -> None:
        self.profiles, self.codes, self.closeness = profiles, vocabulary.codes, closeness
        self.values = measurements(profiles)
        self.stated = statement_matrix(profiles["statements"].to_list(), vocabulary.codes)
        self.retriever = Retriever(profiles)
        self.members: dict[object, list[int]] = {}
        for row, own in enumerate(named):
            for key in {frozenset(own), *own}:
                self.members.setdefault(key, []).append(row)

    def nothing(self, queries: pl.DataFrame) -> Foretold:
        return self._pooled([range(len(self.profiles))] * len(queries))

    def experience(self, queries: pl.DataFrame, k: int) -> Foretold:
        views = KnowledgeParams().weights.over([v for v in VIEWS if queries[v].list.len().max()])
        near = self.retriever.nearest(queries, views, k).near(self.closeness)
        counted = weights.neighbour_weights(near, queries, self.profiles)
        return self._summary(near, counted, queries)

    def told_the_rate(self, queries: pl.DataFrame, k: int, rates: Array) -> Foretold:
        """The same where each query states its rate (bpm, NaN where it does not), as `query.ask` takes it."""
        views = KnowledgeParams().weights.over([v for v in VIEWS if queries[v].list.len().max()])
        found = np.full((len(queries), k), -1), np.zeros((len(queries), k))
        for row, rate in enumerate(rates):
            query = queries[row : row + 1]
            scores = self.retriever.similarities(query, views)
            stated = None if np.isnan(rate) else float(rate)
            (best,) = self.retriever.top(query, scores, k, stated)
            for part, values in zip(found, (best, scores[0, best]), strict=True):
                part[row, : len(best)] = values
        near = Neighbours(*found).near(self.closeness)
        counted = weights.neighbour_weights(near, queries, self.profiles, rates)
        return self._summary(near, counted, queries)

    def _summary(self, near: Neighbours, counted: Array, queries: pl.DataFrame) -> Foretold:
        named = queries["statements"].to_list()
        found = summarise(near, counted, named, self.profiles, self.values, self.codes)
        return Foretold(found.shares, found.counts.astype(float), found.median[:, MEASURED])

    def class_mean(self, queries: pl.DataFrame) -> Foretold:
        return self._pooled([self._class(own) for own in queries["statements"].to_list()])

    def _class(self, named: Sequence[str]) -> Sequence[int]:
        single = [self.members[code] for code in named if code in self.members]
        return self.members.get(frozenset(named)) or min(single, key=len, default=range(len(self.profiles)))

    def _pooled(self, chosen: Sequence[Sequence[int]]) -> Foretold:
        """Shares and medians of the rows that each query chooses; queries that choose the same share the work."""
        of: dict[int, tuple[Array, Array]] = {}
        for rows in chosen:
            if id(rows) not in of:
                own = np.asarray(rows)
                of[id(rows)] = self.stated[own].mean(0), overall(self.values[own])[MEASURED]
        shares, medians = (np.stack([of[id(rows)][part] for rows in chosen]) for part in (0, 1))
        return Foretold(shares, np.array([len(rows) for rows in chosen], float), medians)


def reduced(profiles: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """Queries that name diagnostic statements, age and sex only; records without such a statement are left out."""
    own = [vocabulary.views(codes)["diagnostic"] for codes in profiles["statements"].to_list()]
    items = [statement_views(codes, vocabulary)["diagnoses"] for codes in own]
    lists = {"statements": own, "diagnoses": items, "medications": [[]] * len(own), "procedures": [[]] * len(own)}
    queries = profiles.with_columns(pl.Series(name, rows, dtype=pl.List(pl.String)) for name, rows in lists.items())
    return queries.filter(pl.col("diagnoses").list.len() > 0)


def ask(profiles: pl.DataFrame, queries: pl.DataFrame, training: Training, k: int, seed: int) -> Asked:
    """What each predictor says of queries made from held-out profiles."""
    truth = profiles.join(queries.select("record_id"), on="record_id", how="semi", maintain_order="left")
    named = statement_matrix(queries["statements"].to_list(), training.codes)
    withheld = statement_matrix(truth["statements"].to_list(), training.codes) * (1 - named)
    patients, nothing = queries["patient_id"].to_list(), training.nothing(queries)
    own = training.experience(queries, k)
    others = _of_other_patients(patients, np.random.default_rng(seed))
    told = {NOTHING: nothing, EXPERIENCE: own, SHUFFLED: Foretold(*(part[others] for part in own))}
    told[CLASS] = training.class_mean(queries)
    filled = {
        name: each._replace(medians=np.where(np.isnan(each.medians), nothing.medians, each.medians))
        for name, each in told.items()
    }
    return Asked(patients, withheld, measurements(truth)[:, MEASURED], filled)


def trees(training: pl.DataFrame, queries: pl.DataFrame, codes: Sequence[str], medians: Array) -> Array:
    """Medians (n, measured) in which those of `ON_A_LINE` are what regression trees foretell.

    Args:
        training: named as the queries are, measured as it is.
    """
    known, asked = _inputs(training, codes), _inputs(queries, codes)
    values, medians = measurements(training), medians.copy()
    for name in ON_A_LINE:
        measured = values[:, SLICES[name]][:, 0]
        there = ~np.isnan(measured)
        fitted = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=150, learning_rate=0.05, max_leaf_nodes=15, random_state=0
        ).fit(known[there], measured[there])
        medians[:, SLICES[name]] = fitted.predict(asked)[:, None]
    return medians


def _inputs(profiles: pl.DataFrame, codes: Sequence[str]) -> Array:
    """Named statements, age and sex as numbers, NaN where unknown."""
    male = profiles["sex"].replace_strict({"male": 1.0, "female": 0.0}, default=None, return_dtype=pl.Float64)
    about = pl.DataFrame({"age": profiles["age"].cast(pl.Float64), "male": male}).fill_null(float("nan"))
    return np.hstack([statement_matrix(profiles["statements"].to_list(), codes), about.to_numpy()])


def _of_other_patients(patients: Sequence[str], rng: np.random.Generator) -> NDArray[np.int64]:
    """Each query's partner, drawn at random, of another patient."""
    partner = rng.permutation(len(patients))
    names = np.array(patients)
    while (same := np.flatnonzero(names[partner] == names)).size:
        partner[same] = rng.integers(len(names), size=len(same))
    return partner


def probabilities(foretold: Foretold, prevalence: Array, prior: float) -> Array:
    """Shares shrunk towards the prevalence by `prior` records: (n, statements)."""
    counts = foretold.counts[:, None]
    return np.clip((counts * foretold.shares + prior * prevalence) / (counts + prior), 1e-6, 1 - 1e-6)


def log_loss(truth: Array, probability: Array) -> Array:
    """Of each case and statement, nats."""
    return -(truth * np.log(probability) + (1 - truth) * np.log(1 - probability))


def ranked(truth: Array, score: Array, weights: Array) -> tuple[Array, Array]:
    """AUROC and average precision of one statement, (n,), under each row of weights (draws, n): twice (draws,)."""
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    positive, negative = (
        np.add.reduceat(weights[:, order] * which[order], starts, axis=1) for which in (truth, 1 - truth)
    )
    hits, misses = positive.cumsum(1), negative.cumsum(1)
    cases, controls = (np.maximum(total[:, -1:], 1) for total in (hits, misses))
    auroc = (negative * (hits - positive / 2)).sum(1) / (cases * controls)[:, 0]
    precision = hits / np.maximum(hits + misses, 1)
    return auroc, (precision * positive).sum(1) / cases[:, 0]


def bootstrap_weights(patients: Sequence[str], draws: int, rng: np.random.Generator) -> Array:
    """How often each record counts: once in the first row, then as often as its patient is drawn: (1 + draws, n)."""
    _, number = np.unique(patients, return_inverse=True)
    total = number.max() + 1
    drawn = np.stack([np.bincount(rng.integers(total, size=total), minlength=total) for _ in range(draws)])
    return np.concatenate([np.ones((1, len(patients))), drawn[:, number]]).astype(np.float32)


def statement_scores(asked: Asked, weights: Array, priors: dict[str, float]) -> dict[str, dict[str, Array]]:
    """Metric to predictor to its values, the first of all records, the others of the draws."""
    columns = np.flatnonzero(asked.withheld.sum(0) >= MIN_CASES)
    prevalence = asked.foretold[NOTHING].shares[0]
    scores: dict[str, dict[str, Array]] = {"macro AUROC": {}, "macro average precision": {}, "log loss": {}}
    for name, foretold in asked.foretold.items():
        found = probabilities(foretold, prevalence, priors[name])[:, columns]
        truth = asked.withheld[:, columns]
        both = np.array([ranked(truth[:, j], found[:, j], weights) for j in range(len(columns))]).mean(0)
        losses = log_loss(truth, found).mean(1)
        for metric, values in zip(scores, (*both, weights @ losses / weights.sum(1)), strict=True):
            scores[metric][name] = values
    return scores


def best_priors(asked: Asked) -> dict[str, float]:
    """For each predictor the prior with the least log loss."""
    columns, prevalence = np.flatnonzero(asked.withheld.sum(0) >= MIN_CASES), asked.foretold[NOTHING].shares[0]

    def loss(foretold: Foretold, prior: float) -> float:
        found = probabilities(foretold, prevalence, prior)
        return float(log_loss(asked.withheld[:, columns], found[:, columns]).mean())

    return {name: min(PRIORS, key=lambda prior: loss(foretold, prior)) for name, foretold in asked.foretold.items()}


def measure_scores(
    asked: Asked, weights: Array, names: Sequence[str] = (*SCALARS, *VOLTAGES)
) -> dict[str, dict[str, Array]]:
    """Mean absolute error of each measure, over leads where there are some, as `statement_scores` gives them."""
    scores: dict[str, dict[str, Array]] = {}
    for name in names:
        columns = SLICES[name]
        metric = f"{name.replace('_', ' ')} ({UNITS.get(name, 'ms')})"
        for predictor, foretold in asked.foretold.items():
            errors = deviation(name, foretold.medians[:, columns], asked.measured[:, columns])
            known = ~np.isnan(errors)
            sums, counts = np.where(known, errors, 0).sum(1), known.sum(1)
            scores.setdefault(metric, {})[predictor] = (weights @ sums) / np.maximum(weights @ counts, 1)
    return scores


def table(title: str, scores: dict[str, dict[str, Array]], others: Sequence[str] = (NOTHING, SHUFFLED, CLASS)) -> str:
    """A Markdown table: each predictor, and experience's difference from the others with its interval."""
    lines = [f"| {title} | {' | '.join([*others, EXPERIENCE])} | {' | '.join('− ' + o for o in others)} |"]
    lines.append("|" + "---|" * (2 * len(others) + 2))
    for metric, values in scores.items():
        plain = [f"{values[name][0]:.3g}" for name in (*others, EXPERIENCE)]
        told = []
        for other in others:
            difference = values[EXPERIENCE] - values[other]
            low, high = np.quantile(difference[1:], [0.025, 0.975])
            told.append(f"{difference[0]:+.2g} ({low:+.2g} to {high:+.2g})")
        lines.append(f"| {metric} | {' | '.join(plain)} | {' | '.join(told)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder data of a clone whose corpus stage has run")
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--neighbours", type=int, default=KnowledgeParams().neighbours)
    parser.add_argument("--closeness", type=float, default=KnowledgeParams().closeness)
    parser.add_argument("--sharpness", type=float, default=weights.SHARPNESS, help="power of the similarity")
    parser.add_argument("--rate-scale", type=float, default=weights.RATE_SCALE, help="bpm, where a rate is stated")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    vocabulary, k, seed = Vocabulary.load(), arguments.neighbours, arguments.seed
    weights.SHARPNESS, weights.RATE_SCALE = arguments.sharpness, arguments.rate_scale
    profiles = build_profiles(read_columns(arguments.data / "corpus/records"), [], vocabulary)
    known = training_profiles(profiles)
    diagnostic = [vocabulary.views(codes)["diagnostic"] for codes in known["statements"].to_list()]
    named = (diagnostic, known["statements"].to_list())
    sparse, full = (Training(known, own, vocabulary, arguments.closeness) for own in named)
    validation, held_out = (profiles.filter(pl.col("split") == split) for split in ("validation", arguments.split))
    priors = best_priors(ask(validation, reduced(validation, vocabulary), sparse, k, seed))
    asked = ask(held_out, reduced(held_out, vocabulary), sparse, k, seed)
    drawn = bootstrap_weights(asked.patients, arguments.draws, np.random.default_rng(seed))
    statements = [vocabulary[vocabulary.codes[k]].name for k in np.flatnonzero(asked.withheld.sum(0) >= MIN_CASES)]
    print(
        f"{k} neighbours of {len(known)} training records; {len(asked.patients)} of {len(held_out)} {arguments.split} "
        f"records have a diagnostic statement ({len(set(asked.patients))} patients). {len(statements)} statements are "
        f"withheld from {MIN_CASES} records or more: {', '.join(statements)}. Records' worth of prevalence: "
        f"{', '.join(f'{name} {prior:g}' for name, prior in priors.items() if name != NOTHING)}.\n"
    )
    print(table("under-specified: statements", statement_scores(asked, drawn, priors)))
    print("\n" + table("under-specified: mean absolute error", measure_scores(asked, drawn)))
    taught = reduced(known, vocabulary)
    told = {name: asked.foretold[name] for name in (NOTHING, CLASS, EXPERIENCE)}
    medians = trees(taught, reduced(held_out, vocabulary), vocabulary.codes, told[NOTHING].medians)
    told[TREES] = told[NOTHING]._replace(medians=medians)
    scores = measure_scores(asked._replace(foretold=told), drawn, ON_A_LINE)
    print("\n" + table("what there is to know: mean absolute error", scores, (NOTHING, CLASS, TREES)))
    queries = reduced(held_out, vocabulary)
    told = {NO_RATE: asked.foretold[EXPERIENCE], EXPERIENCE: sparse.told_the_rate(queries, k, heart_rates(queries))}
    others = [name for name in (*SCALARS, *VOLTAGES) if name != "heart_rate"]  # whose answer such a prompt holds
    scores = measure_scores(asked._replace(foretold=told), drawn, others)
    print("\n" + table("under-specified, the rate stated: mean absolute error", scores, (NO_RATE,)))
    whole = ask(held_out, held_out, full, k, seed)
    drawn = bootstrap_weights(whole.patients, arguments.draws, np.random.default_rng(seed))
    print("\n" + table("full prompt: mean absolute error", measure_scores(whole, drawn)))


if __name__ == "__main__":
    main()
