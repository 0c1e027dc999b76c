"""Delineation against LUDB's cardiologists: `python benchmarks/delineation.py LUDB [--records 51 100] [--rate 100]`.

Records 51-100 are no blind test any more: they were scored several times while the delineation was made, three were
looked at, and the limit on P's length came from one of them. A blind score needs recordings that nobody has seen.

Marks are compared between a record's first and last marked QRS. A cardiologist's mark of a beat is the median over
the leads of LUDB's marks, as the delineation gives one mark for all leads. R and P count as found within 75 ms.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import wfdb
from scipy.signal import resample_poly

from sediff.beats import find_r_peaks
from sediff.delineation import Delineation, delineate
from sediff.ecg import LEADS

TOLERANCE = 0.075  # s
SAME_WAVE = {"N": 0.08, "p": 0.08, "t": 0.1}  # s: marks of one wave in two leads are closer
MICROVOLTS = 1000  # units a mV, as the reader takes them: LUDB's own gains scale each lead to a range of 1 mV
MIN_LEADS, MIN_MARKS = 4, 3


@dataclass
class Score:
    """Counts of found, missed and false waves, and differences of boundaries in ms (ours minus theirs)."""

    counts: dict[str, list[int]] = field(default_factory=lambda: {"R": [0, 0, 0], "P": [0, 0, 0], "P in AF": [0, 0, 0]})
    differences: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, difference: float) -> None:
        """Keep one difference, given in seconds; NaN is none."""
        if np.isfinite(difference):
            self.differences.setdefault(name, []).append(1000 * difference)


def read(folder: Path, record: int) -> tuple[np.ndarray, float, dict[str, np.ndarray], list[str]]:
    """Signal (12, samples) in mV, rate, reference waves by symbol as rows (onset, peak, offset) in s, diagnoses."""
    data = wfdb.rdrecord(str(folder / str(record)), physical=False)
    order = [[name.upper() for name in data.sig_name].index(lead.upper()) for lead in LEADS]
    marks: dict[str, list[tuple[float, float, float]]] = {"N": [], "p": [], "t": []}
    for lead in LEADS:
        annotation = wfdb.rdann(str(folder / str(record)), lead.lower())
        symbols, samples = annotation.symbol, annotation.sample / data.fs
        for i, symbol in enumerate(symbols):
            if symbol in marks:
                onset = samples[i - 1] if i and symbols[i - 1] == "(" else np.nan
                offset = samples[i + 1] if i + 1 < len(symbols) and symbols[i + 1] == ")" else np.nan
                marks[symbol].append((onset, samples[i], offset))
    return (
        data.d_signal.T[order] / MICROVOLTS,
        data.fs,
        {s: _merge(rows, SAME_WAVE[s]) for s, rows in marks.items()},
        data.comments,
    )


def _merge(rows: list[tuple[float, float, float]], gap: float) -> np.ndarray:
    """One wave for each cluster of the leads' marks: the medians, where enough leads have it."""
    if not rows:
        return np.empty((0, 3))
    table = np.array(sorted(rows, key=lambda row: row[1]))
    clusters = np.split(table, np.flatnonzero(np.diff(table[:, 1]) > gap) + 1)
    return np.array([_medians(c) for c in clusters if len(c) >= MIN_LEADS]).reshape(-1, 3)


def _medians(cluster: np.ndarray) -> list[float]:
    return [float(np.nanmedian(column)) if np.isfinite(column).sum() >= MIN_MARKS else np.nan for column in cluster.T]


def compare(beats: Delineation, waves: dict[str, np.ndarray], fibrillation: bool, score: Score) -> None:
    """Add one record to the score."""
    qrs, first, last = waves["N"], waves["N"][0, 1], waves["N"][-1, 1]
    pairs, missed, false = _match(qrs[:, 1], beats.r_peak, first - TOLERANCE, last + TOLERANCE)
    _count(score.counts["R"], pairs, missed, false)
    for theirs, ours in pairs:
        score.add("QRS onset", beats.qrs_onset[ours] - qrs[theirs, 0])
        score.add("QRS offset", beats.qrs_offset[ours] - qrs[theirs, 2])
    middles = (beats.p_onset + beats.p_offset) / 2
    pairs, missed, false = _match(waves["p"][:, 1], middles, first, last)
    _count(score.counts["P"], pairs, missed, false)
    if fibrillation:
        score.counts["P in AF"][0] += len(pairs) + false
        score.counts["P in AF"][1] += len(qrs)
    for theirs, ours in pairs:
        score.add("P onset", beats.p_onset[ours] - waves["p"][theirs, 0])
        score.add("P offset", beats.p_offset[ours] - waves["p"][theirs, 2])
    for theirs, ours in _match(waves["t"][:, 2], beats.t_offset, first, last, 0.15)[0]:
        score.add("T offset", beats.t_offset[ours] - waves["t"][theirs, 2])


def _match(
    theirs: np.ndarray, ours: np.ndarray, first: float, last: float, tolerance: float = TOLERANCE
) -> tuple[list[tuple[int, int]], int, int]:
    """Pairs within the tolerance, how many of theirs have none, and how many of ours between first and last."""
    pairs = []
    for i, position in enumerate(theirs):
        distance = np.abs(ours - position)
        if len(ours) and np.isfinite(distance).any() and np.nanmin(distance) <= tolerance:
            pairs.append((i, int(np.nanargmin(distance))))
    used = {j for _, j in pairs}
    false = sum(1 for j, position in enumerate(ours) if first <= position <= last and j not in used)
    return pairs, len(theirs) - len(pairs), false


def _count(counts: list[int], pairs: list, missed: int, false: int) -> None:
    for i, number in enumerate((len(pairs), missed, false)):
        counts[i] += number


def main() -> None:
    """Score and time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="LUDB's folder of records")
    parser.add_argument("--records", type=int, nargs=2, default=(51, 100), metavar=("FIRST", "LAST"))
    parser.add_argument("--rate", type=int, default=500, help="Hz to which the signals are brought first")
    arguments = parser.parse_args()
    score, seconds, numbers = Score(), 0.0, range(arguments.records[0], arguments.records[1] + 1)
    for number in numbers:
        signal, rate, waves, comments = read(arguments.folder, number)
        if rate != arguments.rate:
            signal = resample_poly(signal, arguments.rate, int(rate), axis=1, padtype="reflect")
        started = time.perf_counter()
        peaks = find_r_peaks(signal[None], arguments.rate)[0]
        beats = delineate(signal, arguments.rate, peaks)
        seconds += time.perf_counter() - started
        compare(beats, waves, any("atrial fibrillation" in line.lower() for line in comments), score)
    show(score, len(numbers), seconds)


def show(score: Score, records: int, seconds: float) -> None:
    """Print the score."""
    for name in ("R", "P"):
        found, missed, false = score.counts[name]
        print(f"{name}: sensitivity {found / (found + missed):.4f}, PPV {found / max(1, found + false):.4f}")
    p, beats, _ = score.counts["P in AF"]
    print(f"false P in atrial fibrillation: {p} in {beats} beats")
    for name, differences in score.differences.items():
        values = np.array(differences)
        print(f"{name}: {values.mean():+.1f} ± {values.std():.1f} ms (n {len(values)})")
    print(f"{records} records, {records / seconds:.0f} a second on one core")


if __name__ == "__main__":
    main()
