"""What experience is for: `python benchmarks/experience.py DATA [--split test] [--neighbours 50]`.

DATA is the folder `data` of a clone whose corpus stage has run. Records of held-out patients are asked for by age, sex
and their diagnostic statements only; rhythm, form and what was measured are withheld. What is withheld is foretold by

- nothing: the prevalence of each statement, and the median of each measure, in all training records;
- experience: the shares and medians of the most similar training patients, retrieved with that reduced query;
- shuffled: the experience of another such query;
- class: the shares and medians of all training records with the same set of diagnostic statements, or, where no
  training record has it, with the rarest of them.

Shares are shrunk towards the prevalence by so many records' worth of it, chosen for each on the validation patients.
Then the same is asked with nothing withheld (measures only), where nothing is expected to be gained. Intervals of 95 %
are bootstraps over patients. Run it from the repository: it reads `knowledge/`.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.knowledge.measures import MEASURED, SCALARS, SLICES, VOLTAGES
from sediff.knowledge.params import SimilarityWeights
from sediff.knowledge.profiles import VIEWS, build_profiles, statement_views, training_profiles
from sediff.knowledge.retrieval import Neighbours, Retriever
from sediff.knowledge.statistics import measurements, statement_matrix, summarise, wrapped
from sediff.records import read_columns
from sediff.vocabulary import Vocabulary

MIN_CASES = 20
PRIORS = (0.5, 1, 2, 5, 10, 20, 50)  # records' worth of prevalence
MEASURES = (*SCALARS, *VOLTAGES)
Floats = NDArray[np.floating]


class Foretold(NamedTuple):
    """What one predictor says of n queries: shares (n, statements), of how many records, and values (n, measured)."""

    shares: Floats
    counts: NDArray
    values: Floats


class Held(NamedTuple):
    """Held-out records: queries, what is true of them, and what each predictor says."""

    profiles: pl.DataFrame
    stated: Floats  # (n, statements), 0 or 1
    values: Floats  # (n, measured)
    foretold: Mapping[str, Foretold]


def reduced(profiles: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """The same queries, of which only diagnostic statements, age and sex are known; those without any are left out."""
    codes = [vocabulary.views(codes)["diagnostic"] for codes in profiles["statements"].to_list()]
    items = [statement_views(own, vocabulary)["diagnoses"] for own in codes]
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return profiles.with_columns(
        pl.Series("statements", codes, dtype=pl.List(pl.String)),
        pl.Series("diagnoses", items, dtype=pl.List(pl.String)),
        nothing.alias("medications"),
        nothing.alias("procedures"),
    ).filter(pl.col("diagnoses").list.len() > 0)


def by_class(
    queries: Sequence[Sequence[str]], training: Sequence[Sequence[str]]
) -> Neighbours:
    """The training records with a query's own set of statements, else with the rarest of them, as its neighbours."""
    members: dict[frozenset[str], list[int]] = {}
    for row, codes in enumerate(training):
        for key in {frozenset(codes), *(frozenset([code, "*"]) for code in codes)}:
            members.setdefault(key, []).append(row)
    chosen = []
    for codes in queries:
        own = members.get(frozenset(codes))
        single = [members[frozenset([code, "*"])] for code in codes if frozenset([code, "*"]) in members]
        chosen.append(own or min(single, key=len, default=list(range(len(training)))))
    return chosen
