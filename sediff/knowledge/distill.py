"""The offline distiller, statistics to a paragraph without model or key, and the table of experiences."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from sediff.ecg import INDEPENDENT_LEADS
from sediff.knowledge.experience import SCHEMA
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.statistics import Statistics
from sediff.vocabulary import Vocabulary

OFFLINE = "offline"
NO_NEIGHBOUR = "No similar patient is known."
MIN_SHARE = 0.2  # a statement that fewer neighbours have is left out of the text
MAX_STATEMENTS = 6
LEADS_IN_TEXT = ("II", "V2", "V5")


class Distilled(NamedTuple):
    """A paragraph and who wrote it."""

    text: str
    distiller: str
    fallback_reason: str | None


def distil_offline(statistics: Statistics, vocabulary: Vocabulary) -> list[Distilled]:
    """Compose a paragraph for each experience: statements by share, rate, variability, amplitudes, count."""
    names = [vocabulary[code].name for code in vocabulary.codes]
    return [Distilled(_paragraph(statistics, row, names), OFFLINE, None) for row in range(len(statistics.counts))]


def _paragraph(statistics: Statistics, row: int, names: Sequence[str]) -> str:
    if not statistics.counts[row]:
        return NO_NEIGHBOUR
    sentences = [_findings(statistics.shares[row], names), _rates(statistics, row), _voltages(statistics, row)]
    sentences.append(f"From {statistics.counts[row]} similar records.")
    return " ".join(sentence for sentence in sentences if sentence)


def _findings(shares: np.ndarray, names: Sequence[str]) -> str:
    order = [k for k in np.argsort(-shares, kind="stable")[:MAX_STATEMENTS] if shares[k] >= MIN_SHARE]
    listed = ", ".join(f"{names[k]} {100 * shares[k]:.0f} %" for k in order)
    return f"{listed[0].upper()}{listed[1:]}." if listed else ""


def _rates(statistics: Statistics, row: int) -> str:
    rate, spread, rmssd = statistics.heart_rate[row], statistics.heart_rate_spread[row], statistics.rmssd[row]
    told = "" if np.isnan(rate) else f"Heart rate {rate:.0f} bpm (interquartile range {spread:.0f})"
    variability = "" if np.isnan(rmssd) else f"RMSSD {rmssd:.0f} ms"
    both = ", ".join(part for part in (told, variability) if part)
    return f"{both}." if both else ""


def _voltages(statistics: Statistics, row: int) -> str:
    amplitudes = dict(zip(INDEPENDENT_LEADS, statistics.amplitudes[row], strict=True))
    listed = ", ".join(f"{amplitudes[lead]:.1f} mV in {lead}" for lead in LEADS_IN_TEXT if amplitudes[lead] >= 0)
    return f"Beat amplitude {listed}." if listed else ""


def experience_table(
    experience_ids: Sequence[str],
    record_ids: Sequence[str],
    distilled: Sequence[Distilled],
    neighbours: Neighbours,
    statistics: Statistics,
    training: pl.DataFrame,
) -> pl.DataFrame:
    """Experiences as a table in the order given; columns as in `experience.SCHEMA`."""
    ids = training["record_id"].to_list()
    there = [row[row >= 0] for row in neighbours.rows]
    columns = {
        "experience_id": list(experience_ids),
        "record_id": list(record_ids),
        "text": [d.text for d in distilled],
        "distiller": [d.distiller for d in distilled],
        "fallback_reason": [d.fallback_reason for d in distilled],
        "neighbours": [[ids[k] for k in row] for row in there],
        "similarities": [s[: len(row)].tolist() for s, row in zip(neighbours.similarities, there, strict=True)],
        "heart_rate_median": statistics.heart_rate,
        "heart_rate_spread": statistics.heart_rate_spread,
        "rmssd_median": statistics.rmssd,
        "amplitudes_median": statistics.amplitudes.tolist(),
        "statement_shares": statistics.shares.tolist(),
    }
    series = [pl.Series(name, columns[name], strict=False).cast(dtype) for name, dtype in SCHEMA.items()]
    unknown = ("heart_rate_median", "heart_rate_spread", "rmssd_median")
    return pl.DataFrame(series).with_columns(pl.col(name).fill_nan(None) for name in unknown)
