"""The judges' own scores, on held-out patients."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from sediff.bootstrap import interval, patient_draws
from sediff.encoder.contrast import WaveformJudge, halves
from sediff.encoder.data import EcgRecords
from sediff.encoder.judge import Judge
from sediff.encoder.loss import TEMPERATURE
from sediff.encoder.text_ecg import TextJudge
from sediff.evaluation.agreement import scores
from sediff.vocabulary import SUPERCLASSES, Vocabulary, statement_labels, statement_sets, superclass_labels

MIN_CASES = 20
PROBE_RECORDS = 4000  # training records that the linear probe is fitted on
RIDGE = 1.0  # of the probe, on standardised features
RETRIEVED = (1, 10)
DRAWS = 100  # of the intervals
POOL = 2000  # held-out records at most, among which pairs are looked for


def judge_scores(
    statement: Judge, waveform: WaveformJudge, text: TextJudge, records: EcgRecords, vocabulary: Vocabulary
) -> dict[str, dict[str, Any]]:
    """Scores of the judges by name; what has too few test cases is left out."""
    if len(records.test) < 2:
        return {name: {"records": len(records.test)} for name in (statement.name, waveform.name, text.name)}
    return {
        statement.name: statement_scores(statement, records, vocabulary),
        waveform.name: waveform_scores(waveform, records, statement.codes),
        text.name: text_scores(text, records, vocabulary),
    }


def statement_scores(judge: Judge, records: EcgRecords, vocabulary: Vocabulary) -> dict[str, Any]:
    """AUROC over statements with 20 or more test cases, and over the superclasses, macro and of each."""
    statements = records.columns["statements"][records.test.numpy()].to_list()
    found = judge.all_probabilities(records.millivolts(records.test).numpy())
    count = len(judge.codes)
    learned = scores(statement_labels(statements, judge.codes), found[:, :count], judge.codes, MIN_CASES)
    classes = scores(superclass_labels(statements, vocabulary), found[:, count:], SUPERCLASSES, MIN_CASES)
    result = {"records": len(statements), "learned": count, "statements": len(learned.get("statements", {}))}
    return result | _aurocs(learned, "macro_auroc", "auroc") | _aurocs(classes, "superclass_auroc", "superclasses")


def _aurocs(found: dict[str, Any], macro: str, each: str) -> dict[str, Any]:
    if not found:
        return {}
    return {
        macro: round(found["auroc"], 4),
        each: {code: round(value["auroc"], 4) for code, value in found["statements"].items()},
    }


def waveform_scores(judge: WaveformJudge, records: EcgRecords, codes: tuple[str, ...]) -> dict[str, Any]:
    """How well a linear probe of the features reads statements, and halves of held-out records find each other."""
    first, last = halves(records.millivolts(records.test[:POOL]))
    found = similarity_rank(judge.projections(first.numpy()), judge.projections(last.numpy()))
    probed = scores(*_probe(judge, records, codes), codes, MIN_CASES)
    return {
        "records": len(found),
        "halves_found": round(float((found == 0).mean()), 4),
        "halves_found_by_chance": round(1 / len(found), 4),
        **_aurocs(probed, "probe_macro_auroc", "probe_auroc"),
    }


def similarity_rank(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many other rows of b are as close to each row of a, by cosine, as its partner is, or closer: (n,)."""
    cosine = _unit(a) @ _unit(b).T
    return (cosine >= np.diagonal(cosine)[:, None]).sum(1) - 1


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _probe(
    judge: WaveformJudge, records: EcgRecords, codes: tuple[str, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth and scores of a ridge regression from features to statements: twice (test records, statements)."""
    training = records.training[:PROBE_RECORDS]
    x, unseen = (judge.features(records.millivolts(rows).numpy()) for rows in (training, records.test))
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x, unseen = (x - mean) / deviation, (unseen - mean) / deviation
    statements = records.columns["statements"]
    truth = [statement_labels(statements[rows.numpy()].to_list(), codes) for rows in (training, records.test)]
    known = truth[0] - truth[0].mean(0)
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ known)
    return truth[1], unseen @ weights


def text_scores(judge: TextJudge, records: EcgRecords, vocabulary: Vocabulary) -> dict[str, Any]:
    """Retrieval among held-out records; a record with an equal statement set is a hit.

    Pairs are ranked by the probability of the text given the ECG. A text that many records have is one answer for an
    ECG, not the first ten of them.
    """
    rows = records.test[:POOL]
    columns = records.columns[rows.numpy()]
    asked, known = columns["report"].to_list(), records.columns["report"][records.training.numpy()].to_list()
    bank = {text: place for place, text in enumerate(dict.fromkeys([*known, *asked]))}
    places = np.array([bank[text] for text in asked])
    texts = judge.texts(judge.encode(list(bank), vocabulary))
    found = log_posterior(texts @ judge.ecgs(records.millivolts(rows).numpy()).T, text_shares(known, list(bank)))
    distinct = np.sort(np.unique(places, return_index=True)[1])
    sets, patients = statement_sets(columns["statements"].to_list()), columns["patient_id"].to_numpy()
    return {
        "records": len(rows),
        "distinct_texts": len(distinct),
        "text_to_ecg": hit_rates(found[places], sets, sets, patients),
        "ecg_to_text": hit_rates(found[places[distinct]].T, sets, sets[distinct], patients),
        "frequency_baseline": frequency_baseline(sets, patients),
    }


def text_shares(known: Sequence[str], bank: Sequence[str]) -> NDArray[np.float64]:
    """Share of each text of the bank among the known ones, as if each had been seen once more: (texts,)."""
    counts = Counter(known)
    seen = np.array([counts[text] + 1.0 for text in bank])
    return seen / seen.sum()


def log_posterior(cosine: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """log p(text | ECG) over a bank of texts, (texts, ECGs), from cosines of the same shape and the texts' shares.

    A cosine over the temperature is log p(text, ECG) / p(text) p(ECG) but for a constant of the ECG: the optimum of
    InfoNCE (van den Oord et al. 2018). Ranking by it alone favours ECGs that are near to every text, and rare texts.
    """
    joint = cosine / TEMPERATURE + np.log(shares)[:, None]
    return joint - logsumexp(joint, axis=0)


def hit_rates(
    score: NDArray[np.float64], sets: NDArray[np.int64], of_columns: NDArray[np.int64], patients: NDArray
) -> dict[str, Any]:
    """Share of rows of (n, m) with a hit among the k best columns; statement sets are (n,) and (m,)."""
    order = np.argsort(-score, axis=1, kind="stable")
    hits = of_columns[order[:, : max(RETRIEVED)]] == sets[:, None]
    return _rates({k: hits[:, :k].any(1) for k in RETRIEVED}, sets, patients)


def frequency_baseline(sets: NDArray[np.int64], patients: NDArray) -> dict[str, Any]:
    """The same for who answers, whatever is asked for, with records of the k most frequent statement sets."""
    frequent = [number for number, _ in Counter(sets.tolist()).most_common(max(RETRIEVED))]
    return _rates({k: np.isin(sets, frequent[:k]) for k in RETRIEVED}, sets, patients)


def _rates(hits: dict[int, NDArray[np.bool_]], sets: NDArray[np.int64], patients: NDArray) -> dict[str, Any]:
    """Hits at k as a share of the records, and as the mean of the shares within each statement set (macro).

    The share of the records has its 95 % interval over draws of patients.
    """
    of_set = sets == np.unique(sets)[:, None]
    rates = {f"hits_at_{k}": float(hit.mean()) for k, hit in hits.items()}
    macro = {f"macro_hits_at_{k}": float(np.mean([hit[rows].mean() for rows in of_set])) for k, hit in hits.items()}
    result: dict[str, Any] = {name: round(value, 4) for name, value in (rates | macro).items()}
    drawn = list(patient_draws(patients, DRAWS, np.random.default_rng(0)))
    for k, hit in hits.items():
        spread = interval([float(hit[rows].mean()) for rows in drawn])
        result[f"hits_at_{k}_interval"] = {end: round(spread[end], 4) for end in ("low", "high")}
    return result
