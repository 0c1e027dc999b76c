"""Text–ECG retrieval by the text judge: does a text find its ECG among all, and in which wording best?

A record whose set of statements equals that of the record asked for is a hit, as in the judge's own scores. The bank of
texts, over which the probability of a text given an ECG is taken, is that of the texts that ask.

Records that have one text hit or miss together, as its best ECGs are theirs all: so the intervals are over draws of
distinct texts, each with all its records. Over patients, who are many to a common text, they would be far too narrow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.encoder.conditions import WORDINGS
from sediff.encoder.scores import POOL, frequency_baseline, hit_rates, log_posterior, text_shares
from sediff.encoder.text_ecg import TextJudge
from sediff.evaluation.halves import Floats
from sediff.evaluation.strata import MIN_RECORDS
from sediff.vocabulary import Vocabulary, statement_sets

COMPOSED, ORIGINAL = WORDINGS
STATEMENT_NAMES = "statement_names"
FEW_TEXTS = f"fewer than {MIN_RECORDS} distinct texts"


def places_of(judge: TextJudge, texts: Sequence[str], vocabulary: Vocabulary) -> Floats:
    """Unit vectors of texts, (n, 64); each distinct one is read once."""
    bank = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return judge.texts(judge.encode(list(bank), vocabulary))[[bank[text] for text in texts]]


def retrieved(texts: Sequence[str], asked: Floats, ecgs: Floats, sets: NDArray[np.int64]) -> dict[str, Any]:
    """Share of texts with a hit among the k ECGs that are best by the probability of the text given the ECG.

    Args:
        texts: that ask; asked: their unit vectors, (n, 64); ecgs: of each text's own ECG, (n, 64).
        sets: numbers of each record's set of statements, (n,).
    """
    bank = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    places = np.array([bank[text] for text in texts])
    _, first = np.unique(places, return_index=True)
    found = log_posterior(asked[first] @ ecgs.T, text_shares(texts, list(bank)))
    rates = hit_rates(found[places], sets, sets, places)
    if len(bank) >= MIN_RECORDS:
        return rates
    few = [key for key in rates if key.endswith("_interval")]
    return {key: of for key, of in rates.items() if key not in few} | {"left_out": dict.fromkeys(few, FEW_TEXTS)}


def retrieval(
    texts: Sequence[str],
    asked: Floats,
    ecgs: Mapping[str, Floats],
    statements: Sequence[Sequence[str]],
    patients: NDArray,
) -> dict[str, Any]:
    """The asked texts among the ECGs of each set, and answering with the most frequent sets whatever is asked.

    Of the first `POOL` records at most.

    Args:
        texts, asked, statements, patients: of each condition; ecgs: unit vectors of each set, (n, 64), rows aligned.
    """
    texts, sets, patients = texts[:POOL], statement_sets(statements[:POOL]), patients[:POOL]
    return {
        "records": len(texts),
        **{name: retrieved(texts, asked[:POOL], of_set[:POOL], sets) for name, of_set in ecgs.items()},
        "frequency_baseline": frequency_baseline(sets, patients),
    }


def wordings(
    judge: TextJudge, rows: pl.DataFrame, ecgs: Floats, vocabulary: Vocabulary, min_records: int
) -> dict[str, Any]:
    """Real records asked for by their source's report, by the text that was composed of it, and by statements alone.

    All on one pool: the records that have a report of their source; all records where fewer than `min_records` have.

    Args:
        rows: of the corpus; ecgs: unit vectors of the records, (n, 64).
    """
    own = np.flatnonzero((rows[ORIGINAL] != "").to_numpy())
    enough = len(own) >= min_records
    chosen = (own if enough else np.arange(len(rows)))[:POOL]
    rows, ecgs = rows[chosen], ecgs[chosen]
    sets, patients = statement_sets(rows["statements"].to_list()), rows["patient_id"].to_numpy()
    texts = {wording: rows[wording].to_list() for wording in ((ORIGINAL, COMPOSED) if enough else (COMPOSED,))}
    texts[STATEMENT_NAMES] = [", ".join(vocabulary[code].name for code in codes) for codes in rows["statements"]]
    found: dict[str, Any] = {"records": len(rows)}
    for wording, asking in texts.items():
        found[wording] = retrieved(asking, places_of(judge, asking, vocabulary), ecgs, sets)
    found["frequency_baseline"] = frequency_baseline(sets, patients)
    if not enough:
        found["left_out"] = {ORIGINAL: f"fewer than evaluation.min_records = {min_records} have a source's report"}
    return found
